#!/bin/sh
# healthy.sh PATIENCE MAY MUST: waits so many seconds until the host's own check finds nothing broken.
#   MAY       names of links that may be broken, a JSON list
#   MUST      names of links where a warning is not enough, a JSON list
# Restarts are jobs of systemd's that the package does not wait for; before they are done an old answer would count.
end=$(($(date +%s) + $1))
while :; do
    said=$(consul-docker-host check --json 2>/dev/null) || :
    bad=$(printf '%s' "$said" | jq -r --argjson may "$2" --argjson must "$3" '
        .links[] | .name as $n | select((.state == "broken" and ($may | index($n) | not)) or
            (.state != "ok" and ($must | index($n)))) | "\(.name): \(.text) -> \(.remedy)"' 2>&1) ||
        bad="no answer: $bad"
    [ -n "$said" ] || bad='check: gives no answer -> consul-docker-host check'
    jobs=$(systemctl list-jobs --no-legend consul.service dnsmasq.service registrator.service 2>/dev/null |
        grep -c -e stop -e restart) || :
    if [ -z "$bad" ] && [ "${jobs:-0}" = 0 ]; then
        exit 0
    fi
    if [ "$(date +%s)" -ge "$end" ]; then
        printf '%s\n' "${bad:-a restart does not end}" >&2
        exit 1
    fi
    sleep 1
done
