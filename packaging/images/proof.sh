#!/bin/sh
# Tests a booted image and reports through the port "proof", one line per check:
#   proof: ok CHECK   proof: broken CHECK: REASON   proof: skipped CHECK: REASON
# The last line is   proof: end
set -u
API=http://169.254.1.1:8500/v1
exec >/dev/virtio-ports/proof 2>&1

# check NAME COMMAND...: report ok if the command exits with 0, and its output as the reason if not
check() {
    name=$1
    shift
    if reason=$("$@" 2>&1); then
        echo "proof: ok $name"
    else
        reason=$(printf '%s' "${reason:-$*}" | tail -n 3 | tr '\n' ' ')
        echo "proof: broken $name: $reason"
    fi
}

# until_ok SECONDS COMMAND...: repeat the command until it exits with 0 or the time is over
until_ok() {
    end=$(($(date +%s) + $1))
    shift
    until output=$("$@" 2>&1); do
        if [ "$(date +%s)" -ge "$end" ]; then
            echo "$output"
            return 1
        fi
        sleep 2
    done
}

first_boot() {
    case $(timeout 300 cloud-init status --wait --long) in
        *'status: done'*) ;;
        *)
            cloud-init status --long
            return 1
            ;;
    esac
}

units() {
    failed=$(systemctl --failed --no-legend --plain) && [ -z "$failed" ] && return 0
    echo "$failed"
    return 1
}

answers() {
    python3 -IB /run/proof_answers.py "$@"
}

# Without a preloaded image the link of Registrator may be broken, because there is no registry.
healthy() {
    consul-docker-host check --json >/run/check.json
    answers healthy "$HAS_REGISTRATOR" </run/check.json
}

own_identity() {
    [ "$(wc -c </etc/machine-id)" = 33 ] &&
        ls /etc/ssh/ssh_host_*_key >/dev/null &&
        [ -s /opt/consul/node-id ]
}

grown() { [ "$(df -Pk / | awk 'END { print $2 }')" -gt "$1" ]; }

metadata() {
    case $(ip route get 169.254.169.254) in
        *dummy0*) return 1 ;;
    esac
}

outside_names() {
    [ -n "$(getent hosts localhost)" ] &&
        [ -s /etc/resolv.conf ] &&
        grep -q '^nameserver' /etc/resolv.conf
}

# shellcheck disable=SC2046 # the options must be split into words
in_container() {
    docker run --rm --volume /usr:/usr:ro \
        --volume /run/proof_answers.py:/run/proof_answers.py:ro \
        $(consul-docker-host env --docker) proof:latest "$@"
}

asks_in_container() {
    in_container python3 -IB /run/proof_answers.py "$@"
}

# The test's image contains the host's own programs, so that no registry is needed.
make_image() {
    mkdir -p /run/proof && cd /run/proof || return 1
    for name in bin sbin lib lib64; do
        ln -s usr/$name $name
    done
    mkdir usr tmp etc run
    tar -c . | docker import --change 'ENV PATH=/usr/sbin:/usr/bin' - proof:latest
}

image=$(sed -n 's/^REGISTRATOR_IMAGE=//p' /usr/lib/consul-docker-host/defaults | tr -d "'\"")
HAS_REGISTRATOR=no
if [ -n "$(ls /var/lib/consul-docker-host/preload 2>/dev/null)" ]; then
    systemctl start consul-docker-host-preload.service
fi
! docker image inspect "$image" >/dev/null 2>&1 || HAS_REGISTRATOR=yes

check 'cloud-init has finished the first boot' first_boot
check 'the root has grown to the disk' grown "$GROWN_KIB"
check 'Consul leads its cluster' until_ok 120 answers has "$API/status/leader" :
check 'the host is healthy' until_ok 120 healthy
check 'no unit has failed' units
check 'machine ID, host keys and node ID are its own' own_identity
check 'names are resolved' outside_names
check "the cloud's metadata address is not affected" metadata
check 'Docker imports an image' make_image
check 'a container reaches the agent at the address' \
    asks_in_container has "$API/agent/self" NodeName
check 'a container finds Consul by name' in_container getent hosts consul.service.consul
if [ $HAS_REGISTRATOR = yes ]; then
    docker run --detach --name proof --env SERVICE_NAME=proof --publish 8081:80 \
        --volume /usr:/usr:ro proof:latest sleep 300 >/dev/null
    check 'Registrator registers a container' \
        until_ok 120 asks_in_container has "$API/catalog/service/proof" ServiceID
    docker rm --force proof >/dev/null
else
    echo 'proof: skipped Registrator registers a container: its image was not preloaded'
fi
docker rmi proof:latest >/dev/null
echo 'proof: end'
sync
systemctl poweroff
