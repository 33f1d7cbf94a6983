# Functions that replace a file of the host.
# shellcheck shell=sh

# install_as FILE COMMAND...: replace FILE atomically by the output of the command, and keep FILE's
# mode, owner and label. Exits with 1 if nothing has changed, and with 2 after a line with the
# reason if FILE could not be written and is unchanged. Each step is checked explicitly, because
# callers test the result, which switches `set -e` off.
install_as() (
    file=$1
    if [ -L "$1" ]; then
        if ! file=$(readlink -f "$1"); then
            warn "consul-docker-host: $1 is a dangling symlink"
            exit 2
        fi
    fi
    shift

    # This runs at each boot, and usually nothing has changed. A failing command fails again below.
    [ ! -s "$file" ] || ! "$@" 2>/dev/null | cmp -s - "$file" || exit 1

    # The name contains the PID, because an apply and a start may write at the same time.
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
        # A file that is a mount point, as in containers, cannot be replaced, only written.
        if mountpoint -q "$file" 2>/dev/null && reason=$(overwrite "$file" "$new"); then
            exit 0
        fi
    fi

    reason=$(say "${reason:-"$1 failed"}" | tail -n 1)
    warn "consul-docker-host: ${file#"$ROOT"} cannot be written and is unchanged: $reason"
    exit 2
)

# copy_of FILE NEW: if FILE exists, copy it to NEW with its mode and owner
copy_of() { [ ! -e "$1" ] || cp -p "$1" "$2"; }

# overwrite FILE NEW: write NEW's content into FILE if there is enough space; otherwise print the
# reason and leave FILE unchanged
overwrite() {
    room=$(df -Pk "$1" | awk 'END { print $4 }')
    if [ "$room" -le $(($(wc -c <"$2") / 1024)) ] || ! cp "$1" "$2-old"; then
        say 'not enough space'
        return 1
    fi
    { cat "$2" >"$1"; } 2>&1 && return 0
    cat "$2-old" >"$1"
    return 1
}
