"""An inventory of pyinfra's as an operator keeps one: servers, clients, and what all of them share in group_data/."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from consul_docker_host.core.run import run

Hosts = Mapping[str, Mapping[str, Any]]


def new_key(folder: Path) -> str:
    """Make the operator's key in the folder and return what the hosts are to trust."""
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")])
    return (folder / "key.pub").read_text()


def write_inventory(folder: Path, *, servers: Hosts, clients: Hosts, shared: Mapping[str, Any], packages: Path) -> Path:
    """Write the hosts with their own data, and the data of all; return the inventory's path."""
    base = {
        "ssh_user": "root",
        "ssh_key": str(folder / "key"),
        "ssh_known_hosts_file": str(folder / "known_hosts"),
        "cdh_packages": str(packages),
        **shared,
    }
    role = {"cdh_role": "server", "cdh_bootstrap_expect": len(servers)}
    (folder / "group_data").mkdir(exist_ok=True)
    (folder / "group_data" / "all.py").write_text("".join(f"{key} = {value!r}\n" for key, value in base.items()))
    inventory = folder / "fleet.py"
    inventory.write_text(
        f"servers = ({[(name, dict(data)) for name, data in servers.items()]!r}, {role!r})\n"
        f"clients = {[(name, dict(data)) for name, data in clients.items()]!r}\n"
    )
    return inventory
