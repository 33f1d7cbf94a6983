#!/bin/sh
# Runs in the root of an image: installs the packages in /var/tmp/bake, without a network and without starting anything.
set -eu
cd /var/tmp/bake
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 0755 /usr/sbin/policy-rc.d
trap 'rm -f /usr/sbin/policy-rc.d' EXIT
# Their order is dpkg's business: what an earlier one lacks, a later one brings.
dpkg --install ./*.deb
if [ -d preload ]; then
    mkdir -p /var/lib/consul-docker-host/preload
    mv preload/* /var/lib/consul-docker-host/preload/
    systemctl --quiet enable consul-docker-host-preload.service
fi
