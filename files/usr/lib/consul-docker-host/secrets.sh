# The files that the keys of a host's settings name: gossip key, certificates, tokens.
# Nothing here prints what such a file holds. Needs settings.sh.
# shellcheck shell=sh disable=SC2154

# word FILE: the one word that the file holds, without blanks and line ends, also those of Windows
word() { tr -d '[:space:]' <"$ROOT$1"; }

# file_fault KEY: print why the file that KEY names cannot be used; nothing when it can, or when
# none is named
file_fault() (
    eval "place=\$$1"
    [ -n "$place" ] || exit 0
    if [ "$place" = '?' ]; then
        say 'the line has a mistake'
        exit
    fi

    file=$ROOT$place
    if [ ! -e "$file" ]; then
        reason='does not exist'
    elif [ ! -f "$file" ]; then
        reason='is not a file'
    elif ! cat "$file" >/dev/null 2>&1; then
        reason='cannot be read'
    elif ! grep -q '[^[:space:]]' "$file"; then
        reason='is empty'
    else
        reason=$(content_fault "$1" "$place")
    fi
    [ -z "$reason" ] || say "$place $reason"
)

# content_fault KEY PLACE: print what is wrong with the file's content, for the kind of KEY
content_fault() {
    find_rule "$1"
    case $rule in
        certificate-file\ *)
            grep -q -e '-BEGIN CERTIFICATE-' "$ROOT$2" || say 'holds no certificate (PEM)'
            ;;
        private-key-file\ *)
            grep -q -e '-BEGIN .*PRIVATE KEY-' "$ROOT$2" || say 'holds no private key (PEM)'
            ;;
        gossip-key-file\ *)
            word "$2" | grep -Eqx '[A-Za-z0-9+/]{22}==|[A-Za-z0-9+/]{32}|[A-Za-z0-9+/]{43}=' ||
                say 'holds no base64 of 16, 24 or 32 bytes, as "consul keygen" makes it'
            ;;
        *)
            if [ "$(wc -w <"$ROOT$2")" != 1 ] || ! word "$2" | grep -Eqx '[!-~]+'; then
                say 'holds more than one token'
            fi
            ;;
    esac
}

# file_warning KEY: print that others than root and Consul can read the secret that KEY names
file_warning() (
    eval "place=\$$1"
    find_rule "$1"
    case $rule in
        certificate-file\ *) exit ;;
    esac
    [ -n "$place" ] && [ -f "$ROOT$place" ] || exit 0

    case $(stat -Lc '%a %G' "$ROOT$place" 2>/dev/null) in
        '' | *00\ * | *0\ root | *0\ consul) ;;
        *)
            fix="chown root:consul $place; chmod 0640 $place"
            say "others than root and Consul may read $place: $fix"
            ;;
    esac
)
