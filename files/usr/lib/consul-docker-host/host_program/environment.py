"""Print the variables by which programs find Consul: for a shell, for `docker run` and for a compose file."""

from __future__ import annotations

from host_program.output import say
from host_program.settings import Host

RPC_PORT = 8400
CONTAINER_FILE = "/etc/consul-docker-host/container.env"


def main(host: Host, arguments: list[str]) -> int:
    """Print the variables in the form that the option selects."""
    address = host.built_in.address
    option = arguments[0] if arguments else ""
    if option == "--docker":
        say(f"--dns {address} --env-file {CONTAINER_FILE}")
    elif option == "--compose":
        say("dns:", f"  - {address}", "env_file:", f"  - {CONTAINER_FILE}")
    else:
        port = host.built_in.http_port
        say(f"export CONSUL_HTTP_ADDR={address}:{port} CONSUL_RPC_ADDR={address}:{RPC_PORT}")
    return 0
