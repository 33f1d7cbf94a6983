#!/bin/sh
# Behind agent.sh. gossip-look.sh TARGET: how the agent runs, beside the key wanted, which is the second line of
# standard input, empty where none is; TARGET is the file in which a deploy places a key.
# With encrypt_verify_incoming off an agent hears also those that do not encrypt: Consul's way from one to the other.
# shellcheck source=pyinfra_deploy/scripts/agent.sh
read -r key || :
leader=$(api status/leader | jq -r .) || exit 0
[ -n "$leader" ] || exit 0
# shellcheck disable=SC2153 # the library has set it
own=$(jq -r .encrypt "$RUN/consul.d/encrypt.json" 2>/dev/null) || own=
self=$(api agent/self) || self='{}'
verifies=.DebugConfig.EncryptVerifyIncoming

is() { # FILTER VALUE
    [ "$(printf %s "$self" | jq -r "$1 | tostring")" = "$2" ]
}

if [ "$key" = "$own" ]; then
    echo same
elif [ -z "$key" ]; then
    # shellcheck disable=SC2153 # the library has set it
    if [ "$GOSSIP_KEY_FILE" != "$1" ] || is "$verifies" false; then echo same; else echo closed; fi
elif [ -n "$own" ] || is .Stats.serf_lan.encrypted true; then
    echo other
elif is "$verifies" false; then
    echo same
else
    echo open
fi
