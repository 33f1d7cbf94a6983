#!/bin/sh
# remove.sh FAMILY ACTION PACKAGE: removes the package, and keeps its dependencies.
#   ACTION    remove or purge, which are the same for rpm
if [ "$1" = rpm ]; then
    exec dnf --assumeyes --setopt=clean_requirements_on_remove=False remove "$3"
fi
export DEBIAN_FRONTEND=noninteractive
dpkg --configure --pending --force-confdef --force-confold &&
    apt-get --yes -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confdef \
        -o Dpkg::Options::=--force-confold "$2" "$3"
