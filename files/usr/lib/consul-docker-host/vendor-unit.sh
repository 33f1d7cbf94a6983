# Functions that read how the distribution and the administrator set up dnsmasq: the arguments of
# its unit, which our drop-in replaces, and the keys of its files. Each kind of unit has a function.
# shellcheck shell=sh

# vendor_arguments: print the arguments that the distribution's own unit passes
vendor_arguments() (
    set -f
    for directory in /etc /run /usr/lib /lib; do
        unit=$ROOT$directory/systemd/system/dnsmasq.service
        [ ! -r "$unit" ] || break
    done
    # shellcheck disable=SC2046
    set -- $(exec_start "$unit")

    case ${1:-} in
        '') ;;
        */bin/dnsmasq | */sbin/dnsmasq)
            shift
            direct_arguments "$unit" "$@"
            ;;
        *)
            if names_daemon "$ROOT$1"; then
                helper_arguments "$ROOT$1" "${2:-}"
            else
                pid_file_argument "$unit"
            fi
            ;;
    esac
)

# exec_start UNIT: print the last command of the unit, without systemd's prefixes
exec_start() {
    sed -n '/^ExecStart=/ { s/^ExecStart=[-+!@]*//; h; }; $ { x; p; }' "$1" 2>/dev/null
}

# Fedora, Enterprise Linux, openSUSE, Arch: the unit starts dnsmasq itself, with words and
# variables.
direct_arguments() {
    from=$1
    shift
    for argument; do
        case $argument in
            '$'*) argument=$(unit_variable "$from" "$argument") ;;
        esac
        printf '%s ' "$argument"
    done
}

# Debian, Ubuntu: the unit starts a script that finally runs `exec` with dnsmasq; this prints the
# arguments. The environment is empty, so that ours does not affect them.
# shellcheck disable=SC2016
helper_arguments() {
    sed 's/exec ${DAEMON} /echo /' "$1" | env -i PATH="$PATH" sh -s "$2" | tr '\n' ' '
}
# shellcheck disable=SC2016
names_daemon() { grep -qsF 'exec ${DAEMON} ' "$1"; }

# Any other script: only the PID file is kept, which systemd needs to find the process.
pid_file_argument() { say "-x $(sed -n 's/^PIDFile=//p' "$1")"; }

# unit_variable UNIT $NAME: print its value from the unit's own lines and files. systemd does not
# expand variables in the value of a variable, so ours cannot refer to the distribution's.
# shellcheck disable=SC2016
unit_variable() {
    name=$(printf '%s' "$2" | tr -d '${}')
    {
        sed -n "s/^Environment=[\"']*$name=//p" "$1"
        sed -n 's/^EnvironmentFile=-*//p' "$1" | while read -r file; do
            sed -n "s/^$name=//p" "$ROOT$file" 2>/dev/null || :
        done
    } | tail -n 1 | tr -d "\"'"
}

# dnsmasq_file_with KEY: print the first of dnsmasq's files that sets this key. Leftovers of package
# managers are skipped, because dnsmasq does not read them.
dnsmasq_file_with() {
    pattern="^[[:space:]]*$1[[:space:]]*(#.*)?\$"
    files=$(grep -Els --exclude='*.rpm[nso]*' --exclude='*.dpkg-*' "$pattern" \
        "$ROOT/etc/dnsmasq.conf" "$ROOT"/etc/dnsmasq.d/*)
    [ -n "$files" ] && say "${files%%"$NL"*}"
}
