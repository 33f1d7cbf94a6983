#!/bin/sh
# Behind agent.sh. lock-acquire.sh KEY NAME SECONDS WHO: acquires the key with a session of that name and life.
# Prints "held SESSION", "taken HOLDER" or "refused ANSWER"; nothing where there is no cluster.
leader=$(api status/leader | jq -r .) || exit 0
[ -n "$leader" ] || exit 0
node=$(api catalog/service/consul | jq -r --arg address "${leader%:*}" '
    [.[] | select(.Address == $address) | .Node][0] // empty')
body=$(jq -nc --arg name "$2" --arg ttl "${3}s" --arg node "$node" '
    {Name: $name, TTL: $ttl, LockDelay: "0s", Behavior: "delete", NodeChecks: []} +
    if $node == "" then {} else {Node: $node} end')
said=$(ask PUT session/create "$body")
case $said in
    *200) ;;
    *)
        refuse "$said"
        exit 0
        ;;
esac
id=$(printf '%s\n' "$said" | sed '$d' | jq -r .ID)
said=$(ask PUT "kv/$1?acquire=$id" "$4")
case $said in
    true*200)
        echo "held $id"
        exit 0
        ;;
    false*200) echo "taken $(ask GET "kv/$1?raw" | sed '$d')" ;;
    *) refuse "$said" ;;
esac
ask PUT "session/destroy/$id" >/dev/null
