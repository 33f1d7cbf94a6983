# For the scripts that a deploy sends to a host: its settings, and the API of its agent.
# shellcheck shell=sh disable=SC2154

. "${CONSUL_DOCKER_HOST_ROOT:-}/usr/lib/consul-docker-host/base.sh"
. "$LIB/settings.sh"

# word FILE: the one word that the file holds, without blanks and line ends, also those of Windows
word() { tr -d '[:space:]' <"$ROOT$1"; }

# api PATH: ask the local agent, as the agent itself
api() (
    token=
    [ ! -f "$ROOT$AGENT_TOKEN_FILE" ] || token=$(word "$AGENT_TOKEN_FILE" 2>/dev/null) || :
    say "X-Consul-Token: $token" |
        curl --noproxy '*' -sf --max-time 3 ${token:+-H @-} "http://$ADDRESS:$HTTP_PORT/v1/$1"
)
