#!/bin/sh
# Runs in the root of an image before our packages come: what an image of any host needs.
set -eu
systemctl --quiet enable systemd-networkd.service systemd-resolved.service
# Of many hosts with one clock, none is to ask for upgrades at the minute of its first boot.
systemctl --quiet disable apt-daily.timer apt-daily-upgrade.timer
# A password is nobody's here: cloud-init's user comes in by key.
passwd --quiet --lock root
