#!/bin/sh
# Part of postrm of the deb and postun of the rpm: our files and scripts are already removed. $root
# is the directory that stands for /, empty on the host itself.
# shellcheck disable=SC2154 # each script sets it

# forget_run: remove our directory in /run, repeatedly, because a running start of Consul or dnsmasq
# still uses our scripts and may write there
forget_run() {
    for pause in 0.1 0.2 0.4 0.8 0; do
        ! rm -rf "$root/run/consul-docker-host" 2>/dev/null || break
        sleep "$pause"
    done
}

remove_leftovers() {
    # This copy of Consul's configuration contains its secrets.
    rm -rf "$root/var/lib/consul-docker-host/rendered"
    # An interrupted step may have left these files.
    rm -f "$root"/etc/environment.consul-docker-host-* \
        "$root"/etc/resolv.conf.consul-docker-host-* \
        "$root"/etc/docker/daemon.json.consul-docker-host-*
}

# restart_services REMEDY: restart dnsmasq, Consul and the resolvers without our drop-ins and files.
# REMEDY is the command that removes an unused dnsmasq.
restart_services() {
    systemctl daemon-reload >/dev/null 2>&1 || true
    if systemctl --quiet is-active NetworkManager.service; then
        systemctl --no-block reload NetworkManager.service >/dev/null 2>&1 || true
    fi
    if systemctl --quiet is-active systemd-resolved.service; then
        # resolved is restarted first and waited for, because a dnsmasq without our drop-in takes
        # port 53 of every address, and with it that of resolved's stub, which the host uses.
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
    # A running start failed because it no longer found our scripts.
    case $(systemctl is-active dnsmasq.service 2>/dev/null) in
        failed | activating)
            ! systemctl --quiet is-enabled dnsmasq.service ||
                systemctl --no-block restart dnsmasq.service >/dev/null 2>&1 || true
            ;;
    esac
    # A unit that failed because its program or script was removed is not a fault of this host.
    systemctl reset-failed 'consul-docker-host*' registrator.service >/dev/null 2>&1 || true
    systemctl --quiet is-enabled consul.service 2>/dev/null ||
        systemctl reset-failed consul.service >/dev/null 2>&1 || true
}
