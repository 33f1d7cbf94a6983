# Functions for units: whether they run, and whether their files have changed since their start.
# Needs settings.sh.
# shellcheck shell=sh disable=SC2154

is_systemd() { [ -z "$ROOT" ] && [ -d /run/systemd/system ] && have systemctl; }
is_active() { is_systemd && systemctl --quiet is-active "$1" 2>/dev/null; }

# is_running UNIT: includes a unit whose start never completes, as Consul's own unit before it has
# joined (https://github.com/hashicorp/consul/issues/18097), and a unit between two attempts
is_running() {
    is_systemd || return 1
    case $(systemctl is-active "$1" 2>/dev/null) in
        active | activating | reloading) ;;
        *) return 1 ;;
    esac
}

# fingerprint UNIT: print a checksum of the files that the unit's program reads at its start.
# consul-reload stands for the files that Consul reads again on a reload.
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

# started UNIT: record the fingerprint with which its program starts
started() {
    [ -d "$RUN" ] || mkdir -p "$RUN" || return 1
    fingerprint "$1" >"$RUN/$1.started" || return 1
    [ "$1" != consul ] || fingerprint consul-reload >"$RUN/consul-reload.started"
}

# is_stale UNIT: the files that its program reads have changed since its start
is_stale() { [ "$(fingerprint "$1")" != "$(cat "$RUN/$1.started" 2>/dev/null)" ]; }

# restart_stale UNIT: restart a program whose files have changed; return 1 if it is up to date. It
# counts as started before it is, because the next apply would otherwise restart it again.
restart_stale() (
    unit=$1.service
    [ "$1" != consul ] || unit=$CONSUL_UNIT
    is_running "$unit" || exit 1
    mkdir -p "$RUN" && exec 9>"$RUN/lock" && flock 9 || exit 1
    is_stale "$1" && started "$1" || exit 1

    # The job is not waited for, because a start of Consul may take long.
    if ! systemctl --no-block try-restart "$unit" 2>/dev/null; then
        rm -f "$RUN/$1.started"
        exit 1
    fi
)

# reload_consul: make Consul read changed tokens and certificates again; return 1 if they are
# unchanged
reload_consul() (
    is_active "$CONSUL_UNIT" || exit 1
    exec 9>"$RUN/lock" && flock 9 || exit 1
    is_stale consul-reload || exit 1
    systemctl --no-block reload "$CONSUL_UNIT" &&
        fingerprint consul-reload >"$RUN/consul-reload.started"
)
