"""proof_answers.py COMMAND ARGUMENT...: what proof.sh asks by JSON or HTTP; the image's own Python runs it.

has URL TEXT      fails unless the answer has the text
healthy yes|no    reads the report of `consul-docker-host check --json`, and fails with each link that is broken;
                  without Registrator's image ("no"), which no registry gives to this machine, its link may be
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable

SECONDS = 10.0
# The address is link-local: a proxy of the environment cannot reach it.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def find_text(url: str, text: str) -> str:
    """Return why the answer has not the text; empty where it has."""
    try:
        with OPENER.open(url, timeout=SECONDS) as answer:
            body = answer.read().decode(errors="replace")
    except OSError as error:
        return f"{url}: {error}"
    return "" if text in body else f"{url}: {text} is not in the answer"


def find_broken(has_registrator: str) -> str:
    """Return a line for each link that is broken; empty where none is."""
    try:
        links = json.load(sys.stdin)["links"]
    except (ValueError, KeyError) as error:
        return f"check gives no report: {error}"
    broken = [link for link in links if link["state"] == "broken"]
    if has_registrator == "no":
        broken = [link for link in broken if link["name"] != "registrator"]
    return "\n".join(f"{link['name']}: {link['text']}" for link in broken)


COMMANDS: dict[str, Callable[..., str]] = {"has": find_text, "healthy": find_broken}

if __name__ == "__main__":
    # With a text, which becomes the last line of standard error, the exit code is 1.
    sys.exit(COMMANDS[sys.argv[1]](*sys.argv[2:]) or 0)
