"""A network namespace on a bridge named docker0, which stands in for a container where no Docker engine runs."""

from __future__ import annotations

from tests.support.packages import ADDRESS

# Its resolv.conf is what --dns writes, its environment what --env-file reads.
CONTAINER = f"""
ip link add docker0 type bridge
ip address add 172.17.0.1/16 dev docker0
ip link set docker0 up
ip netns add app
ip link add veth-app type veth peer name eth0 netns app
ip link set veth-app master docker0 up
ip -n app link set lo up
ip -n app address add 172.17.0.2/16 dev eth0
ip -n app link set eth0 up
ip -n app route add default via 172.17.0.1
mkdir -p /etc/netns/app
echo 'nameserver {ADDRESS}' > /etc/netns/app/resolv.conf
"""
IN_IT = "env -i PATH=$PATH $(grep -v '^#' /etc/consul-docker-host/container.env) ip netns exec app"
GONE = "ip netns del app; ip link del docker0; rm -r /etc/netns"
