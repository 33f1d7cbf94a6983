#!/bin/sh
# Runs in the build machine: installs the packages and Docker, runs the check, and removes all files
# that must differ between machines.
set -eu
export DEBIAN_FRONTEND=noninteractive
cloud-init status --wait >/dev/null || :
apt-get update --quiet
apt-get install --yes --no-install-recommends docker.io apparmor iptables /tmp/bake/*.deb
# The machine is its own cluster's only server while the check runs.
cp /etc/default/consul-docker-host /tmp/settings
printf 'ROLE=server\nBOOTSTRAP_EXPECT=1\n' >>/etc/default/consul-docker-host
consul-docker-host apply
end=$(($(date +%s) + 180))
until consul-docker-host check || [ $? -lt 2 ]; do
    if [ "$(date +%s)" -ge "$end" ]; then
        echo 'the build machine is not healthy' >&2
        exit 1
    fi
    sleep 3
done
systemctl stop registrator.service consul.service docker.service docker.socket
cat /tmp/settings >/etc/default/consul-docker-host
rm -rf /tmp/bake /tmp/settings
if id packer >/dev/null 2>&1; then
    passwd --delete --lock packer
fi
cloud-init clean --logs
sh /tmp/seal.sh
