#!/bin/sh
# Starts the host from the files of inline.yaml. cloud-init joins the commands of all parts to one
# script: nothing in here may end it.

# A file that the user's own part has written is kept.
[ -e /etc/default/consul-docker-host ] ||
    cp -p /etc/default/consul-docker-host.example /etc/default/consul-docker-host
# networkd was up before the files arrived; on other hosts our own unit makes the link.
networkctl reload 2>/dev/null || true
systemctl daemon-reload
systemctl enable consul-docker-host.target
systemctl --no-block start consul-docker-host.target
# cloud-init reports how the last command ended, which may be another part's.
/usr/bin/consul-docker-host apply || trap 'exit 1' EXIT
