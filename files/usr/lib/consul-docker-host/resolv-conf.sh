# Who owns /etc/resolv.conf: the evidence, and what follows from it. Needs base.sh. As in
# Tailscale's net/dns, evidence decides and not configuration: see
# https://github.com/tailscale/tailscale/issues/2136 and #13435 (a header that lies), #2678 and
# #3905 (a decision that was taken too early in the boot).
# shellcheck shell=sh disable=SC2034

FILE=$ROOT/etc/resolv.conf
MARK='# consul-docker-host'

servers() {
    sed -n 's/^[[:space:]]*nameserver[[:space:]]\{1,\}\([^[:space:]#;]*\).*/\1/p' "$1" 2>/dev/null
}

# look: $conf is what the file looks like, $link whether it is a symlink (to $target); $resolved,
# $nm and $resolvconf are the programs there are, and $stub whether the file names resolved's stub
# alone.
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

# The header names the writer, unless the servers contradict it: copies of such files live on when
# their owner has gone.
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

    # systemd's own program of that name only talks to resolved.
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

# find_services: $services are the units that run; below a prefix a file stands for them
find_services() {
    if [ -n "$ROOT" ]; then
        services=$(cat "$RUN/running" 2>/dev/null) || :
    else
        set -- --type=service --state=active --no-legend --plain
        services=$(systemctl list-units "$@" 2>/dev/null) || :
    fi
}

# decide: $decision is
#   resolved    systemd-resolved asks dnsmasq
#   resolvconf  dnsmasq's own hook tells resolvconf
#   line        a marked line in the file
#   wait        the owner has yet to write the file, early in the boot; its change wakes us
#   leave       a symlink to something that nobody of ours knows
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
