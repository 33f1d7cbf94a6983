# Functions for Docker: whether it may be asked, and waiting for it and its images. Needs units.sh.
# shellcheck shell=sh

# Asking a stopped Docker through its socket would start it against its administrator's will. A
# Docker that hangs never answers, so callers must set a timeout.
may_ask_docker() {
    have docker || return 1
    state=$(systemctl show -p LoadState -p ActiveState docker.service 2>/dev/null | tr '\n' ' ')
    case $state in
        *LoadState=loaded* | *LoadState=masked*) is_active docker.service ;;
    esac
}

has_docker() { may_ask_docker && timeout 10 docker version >/dev/null 2>&1; }

has_image() {
    docker image inspect "$1" >/dev/null 2>&1 || docker pull --quiet "$1" >/dev/null
}

# wait_for COMMAND...: repeat the command until it succeeds, with growing pauses, because each try
# costs time, for example if a registry is unreachable
wait_for() {
    pause=2
    until "$@"; do
        sleep $pause
        pause=$((pause < 60 ? pause * 2 : 60))
    done
}
