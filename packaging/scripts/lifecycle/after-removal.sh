#!/bin/sh
# In postrm of the deb and postun of the rpm: our files are gone, and so are our scripts. $root is
# the directory that stands for /, empty on the host itself.
# shellcheck disable=SC2154 # each script sets it

# A start of Consul or dnsmasq that was under way has our scripts in hand, and may write there
# while we remove and after.
forget_run() {
    for pause in 0.1 0.2 0.4 0.8 0; do
        ! rm -rf "$root/run/consul-docker-host" 2>/dev/null || break
        sleep "$pause"
    done
}

remove_leftovers() {
    # A copy of what Consul was started with holds its secrets.
    rm -rf "$root/var/lib/consul-docker-host/rendered"
    # Of an interrupted step.
    rm -f "$root"/etc/environment.consul-docker-host-* \
        "$root"/etc/resolv.conf.consul-docker-host-* \
        "$root"/etc/docker/daemon.json.consul-docker-host-*
}

# restart_services REMEDY: dnsmasq, Consul and the resolvers go on without our drop-ins and files.
# REMEDY is the command that removes a dnsmasq which nothing needs.
restart_services() {
    systemctl daemon-reload >/dev/null 2>&1 || true
    if systemctl --quiet is-active NetworkManager.service; then
        systemctl --no-block reload NetworkManager.service >/dev/null 2>&1 || true
    fi
    if systemctl --quiet is-active systemd-resolved.service; then
        # First, and waited for: a dnsmasq without our drop-in takes port 53 of every address, and
        # with it resolved's stub, which the host asks.
        timeout 20 systemctl try-restart systemd-resolved.service >/dev/null 2>&1 || true
        timeout 20 systemctl try-restart dnsmasq.service >/dev/null 2>&1 ||
            echo 'consul-docker-host: dnsmasq cannot run next to systemd-resolved without this' \
                "package; if unused, remove it: $1"
    else
        systemctl --no-block try-restart dnsmasq.service >/dev/null 2>&1 || true
    fi
    systemctl --no-block try-restart consul.service >/dev/null 2>&1 || true
    forget_failures
}

forget_failures() {
    # A start that was under way no longer found our scripts.
    case $(systemctl is-active dnsmasq.service 2>/dev/null) in
        failed | activating)
            ! systemctl --quiet is-enabled dnsmasq.service ||
                systemctl --no-block restart dnsmasq.service >/dev/null 2>&1 || true
            ;;
    esac
    # What failed while its program or its scripts went is not a fault of this host.
    systemctl reset-failed 'consul-docker-host*' registrator.service >/dev/null 2>&1 || true
    systemctl --quiet is-enabled consul.service 2>/dev/null ||
        systemctl reset-failed consul.service >/dev/null 2>&1 || true
}
