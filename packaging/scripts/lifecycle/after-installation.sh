#!/bin/sh
# In postinst of the deb and posttrans of the rpm: the new version takes effect.

# take_effect installed|upgraded: start or restart what needs it; nothing in there waits for
# Consul, and a target that was disabled stays disabled
take_effect() {
    systemctl daemon-reload >/dev/null 2>&1 || true
    if [ "$1" = upgraded ]; then
        /usr/share/consul-docker-host/upgrade || true
    else
        consul-docker-host apply >/dev/null || true
    fi
    # Where it runs, it runs the script of the former version.
    systemctl --no-block try-restart consul-docker-host-watch.service >/dev/null 2>&1 || true
    systemctl --no-block reload NetworkManager.service >/dev/null 2>&1 || true
}
