#!/bin/sh
# Runs last in the root of an image: removes the files that must differ between hosts, and traces of
# the build machine.
set -eu
rm -rf /var/tmp/bake /tmp/* /var/lib/cloud/* /var/lib/consul/* /opt/consul/*
rm -f /etc/ssh/ssh_host_* /etc/hostname /var/lib/dbus/machine-id \
    /var/lib/systemd/random-seed /var/lib/systemd/credential.secret
rm -rf /var/cache/apt/* /var/lib/apt/lists/* /var/cache/ldconfig/aux-cache \
    /var/cache/debconf/*-old /var/lib/dpkg/*-old
# This copy of the last rendering contains secrets and certificates.
rm -rf /var/lib/consul-docker-host/rendered
rm -f /root/.bash_history /etc/passwd- /etc/shadow- /etc/group- /etc/gshadow-
: >/etc/machine-id
find /var/log -type f -exec truncate --size=0 {} +
