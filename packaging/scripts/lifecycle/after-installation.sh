#!/bin/sh
# Part of postinst of the deb and posttrans of the rpm: applies the new version.

# take_effect installed|upgraded: start or restart units as needed, without waiting for Consul; a
# disabled target stays disabled
take_effect() {
    systemctl daemon-reload >/dev/null 2>&1 || true
    if [ "$1" = upgraded ]; then
        /usr/share/consul-docker-host/upgrade || true
    else
        consul-docker-host apply >/dev/null || true
    fi
    # A running watch still runs the script of the former version.
    systemctl --no-block try-restart consul-docker-host-watch.service >/dev/null 2>&1 || true
    systemctl --no-block reload NetworkManager.service >/dev/null 2>&1 || true
}
