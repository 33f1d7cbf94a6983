#!/bin/sh
# install.sh FAMILY TARGET...: installs exactly these, newer or older; lists are fetched again only where they do not
# suffice.
family=$1
shift
if [ "$family" = rpm ]; then
    dnf --assumeyes install "$@" || dnf --assumeyes --refresh install "$@"
    exit
fi
export DEBIAN_FRONTEND=noninteractive
# Another apt at work is waited for; a dpkg that was cut short is led to its end first.
apt() {
    dpkg --configure --pending --force-confdef --force-confold &&
        apt-get --yes -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confdef \
            -o Dpkg::Options::=--force-confold install --allow-downgrades "$@"
}
apt "$@" || { apt-get update && apt "$@"; }
