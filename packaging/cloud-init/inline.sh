#!/bin/sh
# Starts the host from the files of inline.yaml. cloud-init joins the commands of all parts to one
# script, so nothing here may exit.

# A settings file that the user's own part has written is kept.
[ -e /etc/default/consul-docker-host ] ||
    cp -p /etc/default/consul-docker-host.example /etc/default/consul-docker-host
# networkd started before the files were written; on other hosts our own unit creates the link.
networkctl reload 2>/dev/null || true
systemctl daemon-reload
systemctl enable consul-docker-host.target
systemctl --no-block start consul-docker-host.target
# cloud-init reports only the exit code of the last command, which may belong to another part.
/usr/bin/consul-docker-host apply || trap 'exit 1' EXIT
