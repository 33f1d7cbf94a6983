"""healthy.py PATIENCE MAY MUST: waits at most PATIENCE seconds until the host's own check finds nothing broken.

    MAY    names of links that may be broken, a JSON list
    MUST   names of links where a warning is not enough, a JSON list

The package does not wait for restarts, which are systemd jobs, so this waits until none is left: until then the check
may report the former state.
"""

from __future__ import annotations

import json
import os
import sys
import time

ROOT = os.environ.get("CONSUL_DOCKER_HOST_ROOT", "")
sys.path.insert(0, f"{ROOT}/usr/lib/consul-docker-host")
try:
    from host_program.output import report
    from host_program.programs import run
except Exception as error:  # also a truncated module, or one that this Python cannot parse
    sys.exit(f"the modules of the package cannot be imported: {error}")

CHECK_SECONDS = 60.0
UNITS = ("consul.service", "dnsmasq.service", "registrator.service")


def bad_links(may: list[str], must: list[str]) -> list[str]:
    """Return a line for each link that is not in the required state."""
    check = run("consul-docker-host", "check", "--json", seconds=CHECK_SECONDS)
    if not check.out:
        return ["check: gives no answer -> consul-docker-host check"]
    try:
        return [
            f"{link['name']}: {link['text']} -> {link['remedy']}"
            for link in json.loads(check.out)["links"]
            if (link["state"] == "broken" and link["name"] not in may)
            or (link["state"] != "ok" and link["name"] in must)
        ]
    except (ValueError, KeyError, TypeError) as error:
        return [f"check: its answer cannot be read: {type(error).__name__}: {error} -> consul-docker-host check"]


def has_restart() -> bool:
    """Return whether a restart of one of the units is still running."""
    jobs = run("systemctl", "list-jobs", "--no-legend", *UNITS).out
    return "stop" in jobs or "restart" in jobs


def main(patience: str, may: str, must: str) -> int:
    """Wait until the host is healthy, and print the remaining lines when ``patience`` is over."""
    end = time.monotonic() + int(patience)
    while True:
        bad = bad_links(json.loads(may), json.loads(must))
        if not bad and not has_restart():
            return 0
        if time.monotonic() >= end:
            for line in bad or ["a restart does not finish"]:
                report(line)
            return 1
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
