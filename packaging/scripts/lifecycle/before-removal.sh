#!/bin/sh
# Part of prerm of the deb and preun of the rpm: our scripts, which are still installed, undo their
# changes outside the package's own files. $root is the directory that stands for /, empty on the
# host itself.
# shellcheck disable=SC2154 # each script sets it

is_running_system() { [ -z "$root" ] && [ -d /run/systemd/system ]; }

undo_everything() {
    CONSUL_DOCKER_HOST_ROOT="$root" "$root/usr/lib/consul-docker-host/environment" remove || true
    if is_running_system; then
        # The units that would restore the others are stopped first.
        stop consul-docker-host-resolver.path consul-docker-host-resolver.service \
            consul-docker-host-late.path consul-docker-host-late.service \
            consul-docker-host-watch.service registrator.service
        # The registrations are removed while Consul still has the address.
        consul-docker-host forget || true
    fi
    CONSUL_DOCKER_HOST_ROOT="$root" "$root/usr/bin/consul-docker-host" docker-dns remove || true
    is_running_system || return 0

    stop consul-docker-host.target consul-docker-host-agent.service \
        consul-docker-host-guard.service consul-docker-host-link.service
    stop_consul
    systemctl unset-environment CONSUL_HTTP_ADDR CONSUL_RPC_ADDR >/dev/null 2>&1 || true
    /usr/lib/consul-docker-host/resolver undo || true
    /usr/lib/consul-docker-host/guard down || true
    /usr/lib/consul-docker-host/link down || true
}

stop() { systemctl stop "$@" >/dev/null 2>&1 || true; }

# stop_consul: stop a Consul that only our target starts. A server stops at once and exits with 1,
# which our drop-in declares a success. A client takes 5 s to leave its cluster, and nothing waits
# for that.
stop_consul() {
    ! systemctl --quiet is-enabled consul.service 2>/dev/null || return 0
    if grep -qs '"server": *true' /run/consul-docker-host/consul.d/host.json; then
        stop consul.service
    else
        stop --no-block consul.service
    fi
}
