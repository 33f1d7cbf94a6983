# All subjects at once, for the scripts that decide, report or talk to Consul.
# shellcheck shell=sh disable=SC2154

. "${CONSUL_DOCKER_HOST_ROOT:-}/usr/lib/consul-docker-host/base.sh"
. "$LIB/settings.sh"
. "$LIB/secrets.sh"
. "$LIB/files.sh"
. "$LIB/units.sh"
. "$LIB/docker.sh"
. "$LIB/vendor-unit.sh"

# api PATH: ask the local agent, as the agent itself
api() (
    token=
    [ ! -f "$ROOT$AGENT_TOKEN_FILE" ] || token=$(word "$AGENT_TOKEN_FILE" 2>/dev/null) || :
    say "X-Consul-Token: $token" |
        curl --noproxy '*' -sf --max-time 3 ${token:+-H @-} "http://$ADDRESS:$HTTP_PORT/v1/$1"
)

# bad_json FILE...: the first that is not JSON, as FILE:LINE: reason; 1 when there is none
bad_json() (
    ! jq empty "$@" 2>/dev/null || exit 1
    for file; do
        if [ ! -r "$file" ] || why=$(jq empty "$file" 2>&1); then
            continue
        fi
        number=$(say "$why" | sed -n 's/.* at line \([0-9]*\).*/:\1/p')
        why=${why#*: }
        say "${file#"$ROOT"}$number: ${why%% at *}"
        exit
    done
    exit 1
)
