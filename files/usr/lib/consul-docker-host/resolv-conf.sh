# Functions that find out which program owns /etc/resolv.conf, and decide how to add dnsmasq. Needs
# base.sh. As in Tailscale's net/dns, the decision relies on evidence and not on configuration: see
# https://github.com/tailscale/tailscale/issues/2136 and #13435 (a header that is wrong), #2678 and
# #3905 (a decision that was made too early in the boot).
# shellcheck shell=sh disable=SC2034

FILE=$ROOT/etc/resolv.conf
MARK='# consul-docker-host'

servers() {
    sed -n 's/^[[:space:]]*nameserver[[:space:]]\{1,\}\([^[:space:]#;]*\).*/\1/p' "$1" 2>/dev/null
}

# look: set $conf to the file's owner by its look, $link to whether it is a symlink (to $target),
# $resolved, $nm and $resolvconf to whether these programs are there, and $stub to whether the file
# names only resolved's stub
look() {
    look_at_file
    look_for_programs
    stub=no
    case $resolved:$conf in
        yes:nm | yes:static) [ "$(servers "$FILE")" != 127.0.0.53 ] || stub=yes ;;
    esac
}

look_at_file() {
    conf=static
    link=no
    target=''
    if [ -L "$FILE" ]; then
        link=yes
        target=$(readlink -m "$FILE")
        target=${target#"$ROOT"}
        case $target in
            */systemd/resolve/stub-resolv.conf | */systemd/resolve/resolv.conf) conf=resolved ;;
            /usr/lib/systemd/resolv.conf) conf=resolved ;;
            */NetworkManager/*) conf='nm' ;;
            */resolvconf/*) conf=resolvconf ;;
            *) conf=symlink ;;
        esac
    elif [ ! -e "$FILE" ]; then
        conf=missing
    else
        look_at_header
    fi
}

# The header names the program that wrote the file, unless the servers contradict it, because copies
# of such files remain when their owner is gone.
look_at_header() {
    header=$(
        awk -v mark="$MARK" '/^[#;]/ && !index($0, mark) { print tolower($0) }' "$FILE" 2>/dev/null
    ) || :
    case $header in
        *systemd-resolved*) ! servers "$FILE" | grep -qx 127.0.0.53 || conf=resolved ;;
        *networkmanager*) conf='nm' ;;
        *resolvconf*) conf=resolvconf ;;
    esac
}

look_for_programs() {
    resolved=no
    nm=no
    resolvconf=no
    find_services
    case $services in
        *systemd-resolved.service*) resolved=yes ;;
    esac
    case $services in
        *NetworkManager.service*) nm=yes ;;
    esac

    # systemd's own program of that name is only a client of resolved.
    for program in "$ROOT/sbin/resolvconf" "$ROOT/usr/sbin/resolvconf"; do
        [ -x "$program" ] || continue
        case $(readlink -f "$program") in
            */resolvectl) ;;
            *) resolvconf=yes ;;
        esac
    done

    theirs=$ROOT/run/NetworkManager/resolv.conf
    if [ $nm = yes ] && grep -qs systemd-resolved "$theirs"; then
        nm=resolved
    fi
}

# find_services: set $services to the running units, for tests from a file below the prefix
find_services() {
    if [ -n "$ROOT" ]; then
        services=$(cat "$RUN/running" 2>/dev/null) || :
    else
        set -- --type=service --state=active --no-legend --plain
        services=$(systemctl list-units "$@" 2>/dev/null) || :
    fi
}

# decide: set $decision to
#   resolved    systemd-resolved asks dnsmasq
#   resolvconf  dnsmasq's own hook registers dnsmasq with resolvconf
#   line        we add a marked line to the file
#   wait        the owner has not written the file yet, early in the boot; its change starts us
#   leave       the file is a symlink to an unknown target, or to a file whose owner is gone
decide() {
    evidence="$conf link=$link resolved=$resolved nm=$nm resolvconf=$resolvconf stub=$stub"
    case $evidence in
        'resolved '*' resolved=yes '*) decision=resolved ;;
        'resolvconf '*' resolvconf=yes '*) decision=resolvconf ;;
        'nm '*' resolved=yes nm=resolved '*' stub=yes') decision=resolved ;;
        'static '*' resolved=yes '*' stub=yes') decision=resolved ;;
        'missing '*' resolved=no nm=no resolvconf=no '*) decision=line ;;
        'missing '*) decision='wait' ;;
        'resolved link=yes '* | 'resolvconf link=yes '*) decision=leave ;;
        'nm link=yes '*' nm=no '*) decision=leave ;;
        'symlink '*) decision=leave ;;
        *) decision=line ;;
    esac
}

# explain: print the evidence and the decision as a sentence for people
explain() {
    case $conf in
        resolved) owner=systemd-resolved ;;
        nm) owner=NetworkManager ;;
        *) owner=resolvconf ;;
    esac
    case $evidence in
        'missing '*) found='resolv.conf is missing' ;;
        'static '*) found='resolv.conf is a plain file' ;;
        'symlink '*) found="resolv.conf is a symlink to $target" ;;
        'resolved '*' resolved=yes '* | 'nm '*' nm=yes '* | 'nm '*' nm=resolved '*)
            found="resolv.conf is managed by $owner"
            ;;
        'resolvconf '*' resolvconf=yes '*) found="resolv.conf is managed by $owner" ;;
        *) found="resolv.conf was written by $owner, which is not running" ;;
    esac
    case $decision in
        resolved) say "$found; systemd-resolved asks dnsmasq" ;;
        resolvconf) say "$found; dnsmasq's own hook registers dnsmasq there" ;;
        line) say "$found; our nameserver line was added" ;;
        wait) say "$found; its owner has not written it yet" ;;
        leave) say "$found; the file at $target is not changed" ;;
    esac
}
