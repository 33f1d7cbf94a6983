# Functions that read this host's own settings, by the keys and kinds that `defaults` lists. The
# file is parsed and never executed; a shell or systemd would read the lines in the same way. A
# wrong line affects only its own key.
# shellcheck shell=sh disable=SC2034,SC2154

SETTINGS=/etc/default/consul-docker-host
CONFIG=$ROOT$SETTINGS
PROBLEMS=

is_ipv4() (
    case $1 in
        '' | *[!0-9.]* | *.) exit 1 ;;
    esac
    IFS=.
    # shellcheck disable=SC2086
    set -- $1
    [ $# -eq 4 ] || exit 1

    for part; do
        case $part in
            '' | 0?* | ????*) exit 1 ;;
        esac
        [ "$part" -le 255 ] || exit 1
    done
)

# is_server ADDRESS|ADDRESS#PORT: the notation of dnsmasq for a server
is_server() (
    server=${1%%#*}
    port=${1#"$server"}
    is_ipv4 "$server" || exit 1

    case $port in
        '') exit 0 ;;
        '#' | '#0'* | '#'*[!0-9]* | ???????*) exit 1 ;;
    esac
    [ "${port#?}" -le 65535 ]
)

# find_rule KEY: set $rule to its kind, whether it must have a value, and its choices; return 1 if
# there is no such key
find_rule() {
    rule=
    case $1 in
        *[!A-Z_]*) return 1 ;;
    esac
    case $KEYS in
        *"$NL$1 "*) ;;
        *) return 1 ;;
    esac
    rule=${KEYS#*"$NL$1 "}
    rule=${rule%%"$NL"*}
}

# alternatives WORD...: print the words as a sentence lists them: a, b or c
alternatives() {
    listed=$1
    shift
    while [ $# -gt 1 ]; do
        listed="$listed, $1"
        shift
    done
    say "$listed or $1"
}

# fault VALUE KIND required|optional [CHOICE]...: print why the value is invalid, if it is
fault() (
    set -f
    value=$1
    kind=$2
    need=$3
    shift 3

    case $value in
        *[![:print:]]*)
            say 'contains a character that cannot be printed'
            exit
            ;;
    esac
    if [ -z "$value" ]; then
        [ "$need" = optional ] || say 'is empty'
        exit 0
    fi

    case $kind in
        address) is_ipv4 "$value" || say "\"$value\" is not an IPv4 address" ;;
        servers)
            for server in $value; do
                is_server "$server" && continue
                say "\"$server\" is not an IPv4 address (with #port where it is not 53)"
                exit
            done
            ;;
        datacenter)
            case $value in
                *[!a-z0-9_-]*)
                    say "\"$value\" may contain only lower-case letters, digits, - and _"
                    ;;
            esac
            ;;
        node-name)
            case $value in
                *[!A-Za-z0-9-]* | -*) say "\"$value\" may contain only letters, digits and -" ;;
            esac
            ;;
        choice)
            for choice; do
                [ "$choice" != "$value" ] || exit 0
            done
            say "\"$value\" must be $(alternatives "$@")"
            ;;
        count)
            case $value in
                *[!0-9]* | ???*) say "\"$value\" must be a number from 0 to 99" ;;
            esac
            ;;
        *-file)
            # The value is not shown, because it may be the secret itself.
            case $value in
                /*) ;;
                *) say 'must be an absolute path' ;;
            esac
            ;;
        image)
            case $value in
                -* | *[!A-Za-z0-9._:/@-]*) say "\"$value\" is not the name of an image" ;;
            esac
            ;;
        bridges)
            for bridge in $value; do
                case ${bridge%\*} in
                    '' | *[!A-Za-z0-9_.-]* | ????????????????*)
                        say "\"$bridge\" is not the name of an interface"
                        exit
                        ;;
                esac
            done
            ;;
    esac
)

# split_line: set $key and $value from $line, or $reason, and $key to the key or line number
split_line() {
    key=${line%%=*}
    value=${line#*=}
    reason=
    if find_rule "$key"; then
        [ "$key" != "$line" ] || reason='has no ='
    elif [ "$key" = "$line" ]; then
        key=$number
        reason='has no ='
    else
        reason="\"$key\" is not a known key"
        case $key in
            *[![:print:]]*) reason='contains a character that cannot be printed' ;;
        esac
        key=$number
    fi

    case $value in
        \"*\" | \'*\')
            value=${value#?}
            value=${value%?}
            ;;
        \"* | \'*) reason=${reason:-has an open quote} ;;
    esac
    case $value in
        *\\\"*) value=$(printf '%s' "$value" | sed 's/\\"/"/g') ;;
    esac
}

# read_setting: apply $line, or record the mistake in it
read_setting() {
    split_line
    # shellcheck disable=SC2086
    [ -n "$reason" ] || reason=$(fault "$value" $rule)

    if [ -z "$reason" ]; then
        # eval is safe: the key is one of our own names, and the value is not expanded again.
        eval "$key=\$value"
        return
    fi
    PROBLEMS="$PROBLEMS$SETTINGS:$key: $reason$NL"
    # An empty value would mean that Consul uses no secret; the Python program uses the same mark.
    case $rule in
        *-file\ *) eval "$key=?" ;;
    esac
}

# load_config: override the built-in settings by the host's own; with QUIET=1 print no mistakes
load_config() {
    [ -r "$CONFIG" ] || return 0
    number=0
    # `read` strips the blanks at both ends of a line. Only other line ends, such as those of
    # Windows, need another program, because every script reads this file.
    while read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        case $line in
            '' | '#'* | ';'*) continue ;;
            *[[:space:]]) line=$(printf '%s' "$line" | sed 's/[[:space:]]*$//') ;;
        esac
        [ -z "$line" ] || read_setting
    done <"$CONFIG"
    [ -n "${QUIET:-}" ] || printf '%s' "$PROBLEMS" >&2
}
