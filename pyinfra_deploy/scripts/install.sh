#!/bin/sh
# install.sh FAMILY TARGET...: installs exactly these packages, newer or older ones; the package
# lists are refreshed only if they are not sufficient.
family=$1
shift
if [ "$family" = rpm ]; then
    dnf --assumeyes install "$@" || dnf --assumeyes --refresh install "$@"
    exit
fi
export DEBIAN_FRONTEND=noninteractive
# This waits for another apt that is running, and first completes an interrupted run of dpkg.
apt() {
    dpkg --configure --pending --force-confdef --force-confold &&
        apt-get --yes -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confdef \
            -o Dpkg::Options::=--force-confold install --allow-downgrades "$@"
}
apt "$@" || { apt-get update && apt "$@"; }
