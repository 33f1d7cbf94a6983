#!/bin/sh
# Runs on a booted image and reports through the port "proof", a line each:
#   proof: ok WHAT   proof: broken WHAT: WHY   proof: left out WHAT: WHY   and last   proof: end
set -u
API=http://169.254.1.1:8500/v1
exec >/dev/virtio-ports/proof 2>&1

# tell WHAT COMMAND...: ok where the command exits with 0; what it prints is why it does not
tell() {
    what=$1
    shift
    if why=$("$@" 2>&1); then
        echo "proof: ok $what"
    else
        why=$(printf '%s' "${why:-$*}" | tail -n 3 | tr '\n' ' ')
        echo "proof: broken $what: $why"
    fi
}

# until_ok SECONDS COMMAND...
until_ok() {
    end=$(($(date +%s) + $1))
    shift
    until said=$("$@" 2>&1); do
        if [ "$(date +%s)" -ge "$end" ]; then
            echo "$said"
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

# Without Registrator's image, which this machine gets from no registry, its link may be broken.
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

# shellcheck disable=SC2046 # the options are words
in_container() {
    docker run --rm --volume /usr:/usr:ro \
        --volume /run/proof_answers.py:/run/proof_answers.py:ro \
        $(consul-docker-host env --docker) proof:latest "$@"
}

asks_in_container() {
    in_container python3 -IB /run/proof_answers.py "$@"
}

# An image of the host's own programs, which needs no registry.
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

tell 'cloud-init has done the first boot' first_boot
tell 'the root has grown to the disk' grown "$GROWN_KIB"
tell 'Consul leads its cluster' until_ok 120 answers has "$API/status/leader" :
tell 'the host is healthy' until_ok 120 healthy
tell 'no unit has failed' units
tell 'machine id, host keys and node id are its own' own_identity
tell 'names are resolved' outside_names
tell "the cloud's metadata is left alone" metadata
tell 'Docker takes an image' make_image
tell 'a container asks the agent at the one address' \
    asks_in_container has "$API/agent/self" NodeName
tell 'a container finds Consul by name' in_container getent hosts consul.service.consul
if [ $HAS_REGISTRATOR = yes ]; then
    docker run --detach --name proof --env SERVICE_NAME=proof --publish 8081:80 \
        --volume /usr:/usr:ro proof:latest sleep 300 >/dev/null
    tell 'Registrator publishes a container' \
        until_ok 120 asks_in_container has "$API/catalog/service/proof" ServiceID
    docker rm --force proof >/dev/null
else
    echo 'proof: left out Registrator publishes a container: no image of it was preloaded'
fi
docker rmi proof:latest >/dev/null
echo 'proof: end'
sync
systemctl poweroff
