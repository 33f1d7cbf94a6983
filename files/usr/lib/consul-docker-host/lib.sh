# Read by every script of consul-docker-host: places, the host's settings, small tools.
# shellcheck shell=sh disable=SC2034,SC2154
# CONSUL_DOCKER_HOST_ROOT is a prefix of every path, for tests and for images under construction.
ROOT=${CONSUL_DOCKER_HOST_ROOT:-}
LIB=$ROOT/usr/lib/consul-docker-host
RUN=$ROOT/run/consul-docker-host
STATE=$ROOT/var/lib/consul-docker-host
SETTINGS=/etc/default/consul-docker-host
CONFIG=$ROOT$SETTINGS
NL='
'
LC_ALL=C
export LC_ALL
# apt leaves them out of the maintainer scripts' path, and a Consul or Docker installed by hand lives there.
[ -n "$ROOT" ] || PATH=$PATH:/usr/local/sbin:/usr/local/bin
umask 022
# shellcheck source=/dev/null
. "$LIB/defaults"

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }
die() { warn "consul-docker-host: $*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
is_systemd() { [ -z "$ROOT" ] && [ -d /run/systemd/system ] && have systemctl; }
is_active() { is_systemd && systemctl --quiet is-active "$1" 2>/dev/null; }
# Also a unit whose start never ends, as Consul's own does before it has joined, or one between two attempts.
is_running() { is_systemd && case $(systemctl is-active "$1" 2>/dev/null) in active | activating | reloading) ;; *) false ;; esac; }
# Asking a stopped Docker through its socket would start it, against its administrator's will. A hung one never answers:
# whoever asks sets a time.
may_ask_docker() {
    have docker || return 1
    case $(systemctl show -p LoadState -p ActiveState docker.service 2>/dev/null | tr '\n' ' ') in
        *LoadState=loaded* | *LoadState=masked*) is_active docker.service ;;
    esac
}
api() ( # PATH: ask the local agent, as the agent itself
    token=
    [ ! -f "$ROOT$AGENT_TOKEN_FILE" ] || token=$(word "$AGENT_TOKEN_FILE" 2>/dev/null) || :
    say "X-Consul-Token: $token" | curl --noproxy '*' -sf --max-time 3 ${token:+-H @-} "http://$ADDRESS:$HTTP_PORT/v1/$1"
)

# bad_json FILE...: the first that is no JSON, as FILE:LINE: reason; 1 when there is none.
bad_json() (
    ! jq empty "$@" 2>/dev/null || exit 1
    for file; do
        if [ ! -r "$file" ] || why=$(jq empty "$file" 2>&1); then continue; fi
        number=$(say "$why" | sed -n 's/.* at line \([0-9]*\).*/:\1/p')
        why=${why#*: }
        say "${file#"$ROOT"}$number: ${why%% at *}"
        exit
    done
    exit 1
)

# install_as FILE COMMAND...: put what the command prints in FILE's place in one step, with FILE's mode, owner and label. 1: nothing
# changed. 2, after a line that says why: FILE is as it was. Each step is checked: callers look at the result, so no fault ends this.
install_as() (
    file=$1
    [ ! -L "$1" ] || file=$(readlink -f "$1") || { warn "consul-docker-host: $1 leads nowhere"; exit 2; }
    shift
    # Mostly nothing has changed, and this runs at each boot. A command that fails here does so again below.
    [ ! -s "$file" ] || ! "$@" 2>/dev/null | cmp -s - "$file" || exit 1
    # A name of its own: an apply and a start of Consul may write at the same time.
    new=$file.consul-docker-host-$$
    trap 'rm -f "$new" "$new-old"' EXIT
    if why=$( { { [ ! -e "$file" ] || cp -p "$file" "$new"; } && "$@" >"$new"; } 2>&1 ); then
        ! cmp -s "$file" "$new" || exit 1
        if have restorecon; then restorecon "$new" 2>/dev/null || :; fi
        if why=$(mv -f "$new" "$file" 2>&1); then exit 0; fi
        # A file that is a mount of its own, as in containers, cannot be replaced, only written: where all of it has room.
        if mountpoint -q "$file" 2>/dev/null; then
            if [ "$(df -Pk "$file" | awk 'END { print $4 }')" -gt $(($(wc -c <"$new") / 1024)) ] && cp "$file" "$new-old"; then
                if why=$(cat "$new" 2>&1 >"$file"); then exit 0; fi
                cat "$new-old" >"$file"
            else
                why='no room'
            fi
        fi
    fi
    warn "consul-docker-host: ${file#"$ROOT"} cannot be written and stays as it is: $(say "${why:-"$1 failed"}" | tail -n 1)"
    exit 2
)

# word FILE: the one word that the file holds; blanks and line ends, also those of Windows, are none of it
word() { tr -d '[:space:]' <"$ROOT$1"; }

# file_fault KEY: say why the file that KEY names cannot be used, and nothing of what it holds; nothing when it can
file_fault() (
    eval "place=\$$1"
    [ -n "$place" ] || exit 0
    file=$ROOT$place
    if [ "$place" = '?' ]; then say 'the line has a mistake'; exit; fi
    if [ ! -e "$file" ]; then why='does not exist'
    elif [ ! -f "$file" ]; then why='is not a file'
    elif ! cat "$file" >/dev/null 2>&1; then why='cannot be read'
    elif ! grep -q '[^[:space:]]' "$file"; then why='is empty'
    else
        why=
        find_rule "$1"
        case $rule in
            certificate-file\ *) grep -q -e '-BEGIN CERTIFICATE-' "$file" || why='holds no certificate (PEM)' ;;
            private-key-file\ *) grep -q -e '-BEGIN .*PRIVATE KEY-' "$file" || why='holds no private key (PEM)' ;;
            gossip-key-file\ *)
                word "$place" | grep -Eqx '[A-Za-z0-9+/]{22}==|[A-Za-z0-9+/]{32}|[A-Za-z0-9+/]{43}=' ||
                    why='holds no base64 of 16, 24 or 32 bytes, as "consul keygen" makes it'
                ;;
            *) [ "$(wc -w <"$file")" = 1 ] && word "$place" | grep -Eqx '[!-~]+' || why='holds more than one token' ;;
        esac
    fi
    [ -z "$why" ] || say "$place $why"
)

# file_warning KEY: say that others than root and Consul can read the secret that KEY names
file_warning() (
    eval "place=\$$1"
    find_rule "$1"
    case $rule in certificate-file\ *) exit ;; esac
    [ -n "$place" ] && [ -f "$ROOT$place" ] || exit 0
    case $(stat -Lc '%a %G' "$ROOT$place" 2>/dev/null) in
        '' | *00\ * | *0\ root | *0\ consul) ;;
        *) say "others than root and Consul may read $place: chown root:consul $place; chmod 0640 $place" ;;
    esac
)

# The first of dnsmasq's files that has this key; what a package manager left beside them is not read.
dnsmasq_file_with() {
    found=$(grep -Els --exclude='*.rpm[nso]*' --exclude='*.dpkg-*' "^[[:space:]]*$1[[:space:]]*(#.*)?\$" "$ROOT/etc/dnsmasq.conf" "$ROOT"/etc/dnsmasq.d/*)
    [ -n "$found" ] && say "${found%%"$NL"*}"
}

# fingerprint UNIT: what the unit's program reads when it starts. started UNIT: remember it; is_stale UNIT: it has changed since.
# consul-reload is what Consul reads anew when it is told to.
fingerprint() {
    case $1 in
        consul)
            [ "$CONSUL_UNIT" = consul.service ] || say "$CONSUL_IMAGE"
            cat "$ROOT"/etc/consul.d/*.json "$ROOT"/etc/consul.d/*.hcl "$RUN"/consul.d/[!t]* "$RUN/consul.d/tls.json"
            ;;
        consul-reload) cat "$RUN"/consul.d/token-* "$RUN"/tls/* ;;
        dnsmasq) cat "$ROOT"/etc/dnsmasq.d/*.conf "$ROOT/etc/dnsmasq.conf" "$RUN/dnsmasq.env" ;;
        registrator)
            say "$REGISTRATOR_IMAGE $REGISTRATOR_FLAGS $REGISTRATOR_OPTIONS $HOST_IP"
            cat "$LIB/registrator"
            # Without a usable file it keeps the token that it had.
            if [ -n "$(file_fault REGISTRATOR_TOKEN_FILE)" ]; then cat "$RUN/registrator.env"; elif [ -n "$REGISTRATOR_TOKEN_FILE" ]; then registrator_env; fi
            ;;
    esac 2>/dev/null | cksum
}
registrator_env() { printf 'CONSUL_HTTP_TOKEN=%s\n' "$(word "$REGISTRATOR_TOKEN_FILE")"; }
started() {
    { [ -d "$RUN" ] || mkdir -p "$RUN"; } && fingerprint "$1" >"$RUN/$1.started" || return 1
    [ "$1" != consul ] || fingerprint consul-reload >"$RUN/consul-reload.started"
}
is_stale() { [ "$(fingerprint "$1")" != "$(cat "$RUN/$1.started" 2>/dev/null)" ]; }
# restart_stale UNIT: restart a program that runs on what has changed since; 1 when there is no need. It counts as started before
# it is: the next apply, a moment later, would ask once more.
restart_stale() (
    unit=$1.service
    [ "$1" != consul ] || unit=$CONSUL_UNIT
    is_running "$unit" && mkdir -p "$RUN" && exec 9>"$RUN/lock" && flock 9 && is_stale "$1" && started "$1" || exit 1
    # Never waits for the job: Consul may take as long as it needs.
    systemctl --no-block try-restart "$unit" 2>/dev/null || { rm -f "$RUN/$1.started"; exit 1; }
)
# reload_consul: tell Consul to read tokens and certificates anew when they have changed; 1 when there is no need
reload_consul() (
    is_active "$CONSUL_UNIT" && exec 9>"$RUN/lock" && flock 9 && is_stale consul-reload || exit 1
    systemctl --no-block reload "$CONSUL_UNIT" && fingerprint consul-reload >"$RUN/consul-reload.started"
)
# Asking a stopped Docker through its socket would start it, against its administrator's will.
has_docker() { may_ask_docker && timeout 10 docker version >/dev/null 2>&1; }
has_image() { docker image inspect "$1" >/dev/null 2>&1 || docker pull --quiet "$1" >/dev/null; }
# wait_for COMMAND...: a registry that cannot be reached is asked less and less: each try costs time on a host that has other work
wait_for() {
    pause=2
    until "$@"; do
        sleep $pause
        pause=$((pause < 60 ? pause * 2 : 60))
    done
}

is_ipv4() (
    case $1 in '' | *[!0-9.]* | *.) exit 1 ;; esac
    IFS=.
    # shellcheck disable=SC2086
    set -- $1
    [ $# -eq 4 ] || exit 1
    for part; do
        case $part in '' | 0?* | ????*) exit 1 ;; esac
        [ "$part" -le 255 ] || exit 1
    done
)

is_server() ( # ADDRESS or ADDRESS#PORT
    is_ipv4 "${1%%#*}" || exit 1
    port=${1#"${1%%#*}"}
    case $port in '') exit 0 ;; '#' | '#0'* | '#'*[!0-9]* | ???????*) exit 1 ;; esac
    [ "${port#?}" -le 65535 ]
)

# find_rule KEY: $rule is its kind, whether it must have a value, and the words it may be; 1 when it is not a key
find_rule() {
    rule=
    case $1 in *[!A-Z_]*) return 1 ;; esac
    case $KEYS in *"$NL$1 "*) ;; *) return 1 ;; esac
    rule=${KEYS#*"$NL$1 "}
    rule=${rule%%"$NL"*}
}

# enumerated CONJUNCTION WORD...: the words as a sentence has them
enumerated() {
    conjunction=$1 listed=$2
    shift 2
    while [ $# -gt 1 ]; do
        listed="$listed, $1"
        shift
    done
    say "$listed $conjunction $1"
}

# fault VALUE KIND required|optional [CHOICE]...: say what is wrong with the value, nothing when it is right
fault() (
    set -f
    value=$1 kind=$2 need=$3
    shift 3
    case $value in *[![:print:]]*) say 'holds a character that cannot be printed'; exit ;; esac
    if [ -z "$value" ]; then
        [ "$need" = optional ] || say 'is empty'
        exit 0
    fi
    case $kind in
        address) is_ipv4 "$value" || say "\"$value\" is not an IPv4 address" ;;
        servers) for one in $value; do is_server "$one" || { say "\"$one\" is not an IPv4 address (with #port where it is not 53)"; exit; }; done ;;
        datacenter) case $value in *[!a-z0-9_-]*) say "\"$value\" may contain only lower-case letters, digits, - and _" ;; esac ;;
        node-name) case $value in *[!A-Za-z0-9-]* | -*) say "\"$value\" may contain only letters, digits and -" ;; esac ;;
        choice)
            case " $* " in *" $value "*) exit ;; esac
            if [ $# -eq 2 ]; then say "\"$value\" is neither $1 nor $2"; else say "\"$value\" is none of $(enumerated and "$@")"; fi
            ;;
        count) case $value in *[!0-9]* | ???*) say "\"$value\" is not a small number" ;; esac ;;
        *-file) case $value in /*) ;; *) say 'is not an absolute path' ;; esac ;;
        image) case $value in -* | *[!A-Za-z0-9._:/@-]*) say "\"$value\" is not the name of an image" ;; esac ;;
        bridges) for one in $value; do
            case ${one%\*} in '' | *[!A-Za-z0-9_.-]* | ????????????????*) say "\"$one\" is not the name of an interface"; exit ;; esac
        done ;;
    esac
)

# The file is data, never run: a shell or systemd reads the same lines the same way. A wrong line costs that one key.
PROBLEMS=
load_config() {
    [ -r "$CONFIG" ] || return 0
    number=0
    cr=$(printf '\r')
    # Read so, a line has lost the blanks at its ends; a program for each of them would make every script slow.
    while read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        line=${line%"$cr"}
        case $line in '' | '#'* | ';'*) continue ;; *[[:space:]]) line=$(printf '%s' "$line" | sed 's/[[:space:]]*$//') ;; esac
        key=${line%%=*}
        value=${line#*=}
        reason=
        if find_rule "$key"; then [ "$key" != "$line" ] || reason='has no ='; else
            if [ "$key" = "$line" ]; then reason='has no ='; else reason="\"$key\" is none of the keys"; fi
            key=$number
        fi
        case $value in
            \"*\") [ ${#value} -gt 1 ] && value=${value#\"} value=${value%\"} || reason='has an open quote' ;;
            \'*\') [ ${#value} -gt 1 ] && value=${value#\'} value=${value%\'} || reason='has an open quote' ;;
            \"* | \'*) reason='has an open quote' ;;
        esac
        case $value in *\\\"*) value=$(printf '%s' "$value" | sed 's/\\"/"/g') ;; esac
        # shellcheck disable=SC2086
        [ -n "$reason" ] || reason=$(fault "$value" $rule)
        if [ -z "$reason" ]; then
            # The key is one of our own names and the value is not looked at.
            eval "$key=\$value"
        else
            PROBLEMS="$PROBLEMS$SETTINGS:$key: $reason
"
            # As if nothing were named, Consul would lose its key: file_fault knows this mark.
            case $rule in *-file\ *) eval "$key=?" ;; esac
        fi
    done <"$CONFIG"
    [ -n "${QUIET:-}" ] || printf '%s' "$PROBLEMS" >&2
}
