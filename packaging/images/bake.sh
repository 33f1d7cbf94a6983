#!/bin/sh
# Runs in the root of an image: installs the packages in /var/tmp/bake without starting anything.
#   online      fetch their dependencies, and Docker's engine if it is missing, from the image's own
#               archives
# Without this argument there is no network, and all dependencies are installed.
set -eu
cd /var/tmp/bake
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 0755 /usr/sbin/policy-rc.d
trap 'rm -f /usr/sbin/policy-rc.d' EXIT
if [ "${1:-}" = online ]; then
    apt-get --quiet=2 update
    set -- apparmor iptables
    if ! command -v dockerd >/dev/null; then
        set -- "$@" docker.io
        # Since Debian 13 the engine's package no longer contains the docker command.
        [ -z "$(apt-cache search --names-only '^docker-cli$')" ] || set -- "$@" docker-cli
    fi
    apt-get --quiet=2 --yes --no-install-recommends -o Dpkg::Options::=--force-confold \
        install ./*.deb "$@"
else
    # dpkg sorts the packages by their dependencies itself.
    dpkg --install ./*.deb
fi
systemctl --quiet enable image-first-boot.service image-first-boot-done.service
if [ -n "$(ls preload)" ]; then
    mkdir -p /var/lib/consul-docker-host/preload
    mv preload/* /var/lib/consul-docker-host/preload/
    systemctl --quiet enable consul-docker-host-preload.service
fi
