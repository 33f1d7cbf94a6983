"""proof_answers.py COMMAND ARGUMENT...: checks JSON and HTTP for proof.sh; the image's own Python runs it.

has URL TEXT      fails unless the answer contains the text
healthy yes|no    reads the report of `consul-docker-host check --json` and fails with each broken link;
                  without Registrator's image ("no") the link of Registrator may be broken
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable

SECONDS = 10.0
# Proxies in the environment are ignored, because they cannot reach a link-local address.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def find_text(url: str, text: str) -> str:
    """Return why the answer does not contain the text; empty if it does."""
    try:
        with OPENER.open(url, timeout=SECONDS) as answer:
            body = answer.read().decode(errors="replace")
    except OSError as error:
        return f"{url}: {error}"
    return "" if text in body else f"{url}: {text} is not in the answer"


def find_broken(has_registrator: str) -> str:
    """Return a line for each broken link; empty if there is none."""
    try:
        links = json.load(sys.stdin)["links"]
    except (ValueError, KeyError) as error:
        return f"check printed no report: {error}"
    broken = [link for link in links if link["state"] == "broken"]
    if has_registrator == "no":
        broken = [link for link in broken if link["name"] != "registrator"]
    return "\n".join(f"{link['name']}: {link['text']}" for link in broken)


COMMANDS: dict[str, Callable[..., str]] = {"has": find_text, "healthy": find_broken}

if __name__ == "__main__":
    # sys.exit prints a text to standard error and exits with 1.
    sys.exit(COMMANDS[sys.argv[1]](*sys.argv[2:]) or 0)
