"""Start a fleet's deploy in a process of its own, because pyinfra needs the standard library patched before imports."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from consul_docker_host.core.errors import BuildError, Mistakes
from consul_docker_host.core.run import follow
from consul_docker_host.core.workspace import Workspace
from consul_docker_host.fleet.waves import parse_sizes

DEPLOY_SECONDS = 24 * 3600.0


def start(work: Workspace, action: str, *, inventory: str, limit: str, waves: str, dry: bool, as_json: bool) -> None:
    """Run the action on the inventory's hosts; raise BuildError unless it succeeds on all of them."""
    if not Path(inventory).is_file():
        # The process reads an existing inventory, and reports its mistakes together with those in the other options.
        mistakes = Mistakes()
        with mistakes.collected():
            refuse_inventory(inventory)
        with mistakes.collected():
            parse_sizes(waves)
        mistakes.refuse()
    asked = {"action": action, "inventory": inventory, "limit": limit, "waves": waves, "dry": dry, "json": as_json}
    # Relative paths in the inventory start at the user's working directory, which may not be the checkout.
    paths = f"{work.packaging}:{work.root}"
    argv = [sys.executable, "-m", "consul_docker_host.fleet", json.dumps(asked)]
    code = follow(argv, cwd=Path.cwd(), env={"PYTHONPATH": paths}, timeout=DEPLOY_SECONDS)
    if code == 130:
        raise KeyboardInterrupt
    if code:
        raise BuildError(f"{action} failed", hint="see the messages above")


def refuse_inventory(inventory: str) -> None:
    """Raise BuildError with the reason why there is no inventory: it is not given, or the file does not exist."""
    example = "pyinfra_deploy/inventory.py is an example"
    if not inventory:
        raise BuildError("--inventory: is missing", hint=f"give a file with the hosts and their data; {example}")
    raise BuildError(f"--inventory {inventory}: no such file", hint=example)
