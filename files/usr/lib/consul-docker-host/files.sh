# How a file of the host is replaced.
# shellcheck shell=sh

# install_as FILE COMMAND...: put what the command prints in FILE's place in one step, with FILE's
# mode, owner and label. 1: nothing has changed. 2, after a line with the reason: FILE is unchanged.
# Each step is checked by itself, because callers look at the result and `set -e` is off then.
install_as() (
    file=$1
    if [ -L "$1" ]; then
        if ! file=$(readlink -f "$1"); then
            warn "consul-docker-host: $1 is a dangling symlink"
            exit 2
        fi
    fi
    shift

    # Mostly nothing has changed, and this runs at each boot. A command that fails here fails below.
    [ ! -s "$file" ] || ! "$@" 2>/dev/null | cmp -s - "$file" || exit 1

    # A name of its own: an apply and a start of Consul may write at the same time.
    new=$file.consul-docker-host-$$
    trap 'rm -f "$new" "$new-old"' EXIT
    if reason=$({ copy_of "$file" "$new" && "$@" >"$new"; } 2>&1); then
        ! cmp -s "$file" "$new" || exit 1
        if have restorecon; then
            restorecon "$new" 2>/dev/null || :
        fi
        if reason=$(mv -f "$new" "$file" 2>&1); then
            exit 0
        fi
        # A file that is a mount of its own, as in containers, cannot be replaced, only written.
        if mountpoint -q "$file" 2>/dev/null && reason=$(overwrite "$file" "$new"); then
            exit 0
        fi
    fi

    reason=$(say "${reason:-"$1 failed"}" | tail -n 1)
    warn "consul-docker-host: ${file#"$ROOT"} cannot be written and is unchanged: $reason"
    exit 2
)

# copy_of FILE NEW: where FILE exists, NEW gets its content, mode and owner
copy_of() { [ ! -e "$1" ] || cp -p "$1" "$2"; }

# overwrite FILE NEW: write NEW's content into FILE where all of it has room; else FILE is
# unchanged, and the reason is printed.
overwrite() {
    room=$(df -Pk "$1" | awk 'END { print $4 }')
    if [ "$room" -le $(($(wc -c <"$2") / 1024)) ] || ! cp "$1" "$2-old"; then
        say 'no room'
        return 1
    fi
    { cat "$2" >"$1"; } 2>&1 && return 0
    cat "$2-old" >"$1"
    return 1
}
