#!/bin/sh
# For Debian and Ubuntu. $1: what is to be installed, $2: what is to be within reach; blanks between.
set -eu
export DEBIAN_FRONTEND=noninteractive
# Official images throw away what apt fetched, start nothing, and leave documentation out.
rm -f /etc/apt/apt.conf.d/docker-clean /usr/sbin/policy-rc.d /etc/dpkg/dpkg.cfg.d/excludes
apt-get update
# shellcheck disable=SC2086
apt-get install --yes --no-install-recommends $1
cat >/etc/apt/preferences.d/consul-docker-host-test <<'END'
Package: docker.io docker-cli docker-ce docker-ce-cli consul
Pin: release *
Pin-Priority: -1
END
apt-get clean
# shellcheck disable=SC2086
apt-get install --yes --download-only -o APT::Install-Recommends=true $2
systemctl mask getty.target console-getty.service getty-static.service
