# Units: whether they run, and whether they run on what has changed since their start.
# Needs settings.sh.
# shellcheck shell=sh disable=SC2154

is_systemd() { [ -z "$ROOT" ] && [ -d /run/systemd/system ] && have systemctl; }
is_active() { is_systemd && systemctl --quiet is-active "$1" 2>/dev/null; }

# is_running UNIT: also one whose start never ends, as Consul's own does before it has joined
# (https://github.com/hashicorp/consul/issues/18097), or one between two attempts
is_running() {
    is_systemd || return 1
    case $(systemctl is-active "$1" 2>/dev/null) in
        active | activating | reloading) ;;
        *) return 1 ;;
    esac
}

# fingerprint UNIT: a sum of what the unit's program reads when it starts. consul-reload stands for
# what Consul reads again when it is reloaded.
fingerprint() { fingerprinted "$1" 2>/dev/null | cksum; }

fingerprinted() {
    case $1 in
        consul)
            [ "$CONSUL_UNIT" = consul.service ] || say "$CONSUL_IMAGE"
            cat "$ROOT"/etc/consul.d/*.json "$ROOT"/etc/consul.d/*.hcl \
                "$RUN"/consul.d/[!t]* "$RUN/consul.d/tls.json"
            ;;
        consul-reload) cat "$RUN"/consul.d/token-* "$RUN"/tls/* ;;
        dnsmasq) cat "$ROOT"/etc/dnsmasq.d/*.conf "$ROOT/etc/dnsmasq.conf" "$RUN/dnsmasq.env" ;;
        registrator)
            say "$REGISTRATOR_IMAGE $REGISTRATOR_FLAGS $REGISTRATOR_OPTIONS $HOST_IP"
            cat "$LIB/registrator"
            cat "$RUN/registrator.env"
            ;;
    esac
}

# started UNIT: remember what its program starts with
started() {
    [ -d "$RUN" ] || mkdir -p "$RUN" || return 1
    fingerprint "$1" >"$RUN/$1.started" || return 1
    [ "$1" != consul ] || fingerprint consul-reload >"$RUN/consul-reload.started"
}

# is_stale UNIT: what its program reads has changed since its start
is_stale() { [ "$(fingerprint "$1")" != "$(cat "$RUN/$1.started" 2>/dev/null)" ]; }

# restart_stale UNIT: restart a program that runs on what has changed since; 1 when there is no
# need. It counts as started before it is: the next apply, a moment later, would ask once more.
restart_stale() (
    unit=$1.service
    [ "$1" != consul ] || unit=$CONSUL_UNIT
    is_running "$unit" || exit 1
    mkdir -p "$RUN" && exec 9>"$RUN/lock" && flock 9 || exit 1
    is_stale "$1" && started "$1" || exit 1

    # Never waits for the job: Consul may take as long as it needs.
    if ! systemctl --no-block try-restart "$unit" 2>/dev/null; then
        rm -f "$RUN/$1.started"
        exit 1
    fi
)

# reload_consul: have Consul read tokens and certificates again when they have changed; 1 when there
# is no need
reload_consul() (
    is_active "$CONSUL_UNIT" || exit 1
    exec 9>"$RUN/lock" && flock 9 || exit 1
    is_stale consul-reload || exit 1
    systemctl --no-block reload "$CONSUL_UNIT" &&
        fingerprint consul-reload >"$RUN/consul-reload.started"
)
