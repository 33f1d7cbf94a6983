#!/bin/sh
# A library, sent before what asks the host's own agent with more rights than a reader's.
# The token is the first line of standard input; without one the agent's own is used. curl has it, and what is sent, by
# its standard input too: no list of processes ever shows either.
library=/usr/lib/consul-docker-host/lib.sh
[ -r "$library" ] || exit 0
# shellcheck disable=SC1090 # it is the host's
. "$library"
# shellcheck disable=SC2034 # the library reads it
QUIET=1
load_config
read -r token || :
# shellcheck disable=SC2153 # the library has set it
[ -n "$token" ] || [ ! -f "$AGENT_TOKEN_FILE" ] || token=$(word "$AGENT_TOKEN_FILE" 2>/dev/null) || :

ask() { # METHOD PATH [BODY]: the answer, then its code
    {
        [ -z "$token" ] || printf 'header = "X-Consul-Token: %s"\n' "$token"
        printf 'data = %s\n' "$(printf %s "${3:-}" | jq -Rs .)"
    } | curl --noproxy '*' -s --max-time "${PATIENCE:-10}" -K - -X "$1" -w '\n%{http_code}\n' \
        "http://$ADDRESS:$HTTP_PORT/v1/$2"
}

refuse() { # ANSWER: what was refused, on one line
    printf 'refused %s\n' "$1" | tr '\n' ' '
}
