"""The tasks that deploy to hosts."""

# ruff: noqa: PLC0415 - heavy modules are imported where they are needed
from __future__ import annotations

from consul_docker_host.core.workspace import Workspace


def deploy(
    *, inventory: str = "", limit: str = "", waves: str = "1,10%", dry: bool = False, json: bool = False
) -> None:
    """Deploy the package to the hosts of an inventory: servers one by one, clients in waves."""
    from consul_docker_host import fleet

    fleet.start(Workspace(), "deploy", inventory=inventory, limit=limit, waves=waves, dry=dry, as_json=json)


def deploy_remove(
    *, inventory: str = "", limit: str = "", waves: str = "1,10%", dry: bool = False, json: bool = False
) -> None:
    """Remove the package from the hosts of an inventory; keep Consul, Docker and their data."""
    from consul_docker_host import fleet

    fleet.start(Workspace(), "remove", inventory=inventory, limit=limit, waves=waves, dry=dry, as_json=json)
