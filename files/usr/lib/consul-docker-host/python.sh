# Functions to run the Python program from shell scripts.
# shellcheck shell=sh

# program ARGUMENT...: run it with a time limit, because a start of Consul waits for it
program() {
    command -v python3 >/dev/null 2>&1 || return 127
    timeout -k 5 30 python3 -IB "${CONSUL_DOCKER_HOST_ROOT:-}/usr/lib/consul-docker-host" "$@"
}

# python_fault: print why Python does not run, and the remedy; exit with 1 if it runs
python_fault() (
    install='dnf install'
    reinstall='dnf reinstall'
    if command -v apt-get >/dev/null 2>&1; then
        install='apt-get install'
        reinstall='apt-get install --reinstall'
    fi
    if ! command -v python3 >/dev/null 2>&1; then
        printf '%s\n' "python3 is missing: $install python3"
        exit
    fi

    code=0
    probe='import sys; sys.exit(9 * (sys.version_info < (3, 9)))'
    timeout -k 1 10 python3 -ISB -c "$probe" >/dev/null 2>&1 || code=$?
    case $code in
        0) exit 1 ;;
        9) printf '%s\n' 'python3 is older than 3.9: upgrade it' ;;
        *) printf '%s\n' "python3 does not work (exit code $code): $reinstall python3" ;;
    esac
)
