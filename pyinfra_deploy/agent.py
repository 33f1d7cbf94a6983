"""What is asked of a host's own agent with more rights than a reader's: the shell that each such one begins with."""

from __future__ import annotations

from pyinfra_deploy.repository import NAME

# The token is the first line of standard input; without one the agent's own is used. curl has it, and what is sent, by
# its standard input too: no list of processes ever shows either.
ASK = rf"""
[ -r /usr/lib/{NAME}/lib.sh ] || exit 0
. /usr/lib/{NAME}/lib.sh
QUIET=1
load_config
read -r token || :
[ -n "$token" ] || [ ! -f "$AGENT_TOKEN_FILE" ] || token=$(word "$AGENT_TOKEN_FILE" 2>/dev/null) || :
ask() {{ # METHOD PATH [BODY]: the answer, then its code
    {{
        [ -z "$token" ] || printf 'header = "X-Consul-Token: %s"\n' "$token"
        printf 'data = %s\n' "$(printf %s "${{3:-}}" | jq -Rs .)"
    }} | curl --noproxy '*' -s --max-time "${{PATIENCE:-10}}" -K - -X "$1" -w '\n%{{http_code}}\n' \
        "http://$ADDRESS:$HTTP_PORT/v1/$2"
}}
"""
