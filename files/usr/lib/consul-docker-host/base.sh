# Every script of consul-docker-host reads this first: paths, built-in values, and messages.
# CONSUL_DOCKER_HOST_ROOT is a prefix of every path, for tests and for images under construction.
# shellcheck shell=sh disable=SC2034

ROOT=${CONSUL_DOCKER_HOST_ROOT:-}
LIB=$ROOT/usr/lib/consul-docker-host
RUN=$ROOT/run/consul-docker-host
STATE=$ROOT/var/lib/consul-docker-host
NL='
'

LC_ALL=C
export LC_ALL
# apt removes /usr/local from the PATH of maintainer scripts, but a Consul or Docker that was
# installed by hand is there.
[ -n "$ROOT" ] || PATH=$PATH:/usr/local/sbin:/usr/local/bin
umask 022

# shellcheck source=/dev/null
. "$LIB/defaults"

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

die() {
    warn "consul-docker-host: $*"
    exit 1
}
