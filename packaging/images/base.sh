#!/bin/sh
# Runs in the root of an image before our packages are installed: settings that every image needs.
set -eu
systemctl --quiet enable systemd-networkd.service systemd-resolved.service
# The timers are disabled, because many hosts that boot together would all ask for upgrades at once.
systemctl --quiet disable apt-daily.timer apt-daily-upgrade.timer
# No account has a password, because cloud-init's user logs in by key.
passwd --quiet --lock root
