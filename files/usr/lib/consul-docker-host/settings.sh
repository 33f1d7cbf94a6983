# This host's own settings, by the keys and kinds that `defaults` lists. The file is data and is
# never run: a shell or systemd reads the same lines the same way. A wrong line costs its one key.
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

# is_server ADDRESS|ADDRESS#PORT, as dnsmasq writes a server
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

# find_rule KEY: $rule is its kind, whether it must have a value, and the words it may be;
# 1 when it is not a key.
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

# alternatives WORD...: the words as a sentence names them: a, b or c
alternatives() {
    listed=$1
    shift
    while [ $# -gt 1 ]; do
        listed="$listed, $1"
        shift
    done
    say "$listed or $1"
}

# fault VALUE KIND required|optional [CHOICE]...: print what is wrong with the value, if anything
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
            # Without the value: somebody may have put the secret itself there.
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

# split_line: $key and $value of $line, or $reason and in $key what it is about
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
        reason="\"$key\" is none of the keys"
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

# read_setting: take $line over, or note what is wrong with it
read_setting() {
    split_line
    # shellcheck disable=SC2086
    [ -n "$reason" ] || reason=$(fault "$value" $rule)

    if [ -z "$reason" ]; then
        # The key is one of our own names, and the value is not looked at.
        eval "$key=\$value"
        return
    fi
    PROBLEMS="$PROBLEMS$SETTINGS:$key: $reason$NL"
    # As if no file were named, Consul would lose its key: the program knows this mark.
    case $rule in
        *-file\ *) eval "$key=?" ;;
    esac
}

# load_config: read the host's settings over the built-in ones; QUIET=1 leaves the reports to others
load_config() {
    [ -r "$CONFIG" ] || return 0
    number=0
    # `read` strips the blanks at both ends of a line. Only a line that ends otherwise, as those of
    # Windows do, costs a program: each script reads this file.
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
