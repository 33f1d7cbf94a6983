"""A shell in a guest that `--keep` has left running: each line is run there by the guest's agent.

`python -m tests.support.machines.enter SOCKET`
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.machines.agent import Agent, NoAnswerError

LINE_SECONDS = 300.0


def main(socket: Path) -> int:
    """Run the lines of standard input and return an exit code."""
    agent = Agent(path=socket)
    if not agent.is_there(seconds=30):
        print(f"{socket}: no guest answers", file=sys.stderr)
        return 1
    while True:
        print("guest# ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            return 0
        try:
            result = agent.run(["sh", "-c", line], seconds=LINE_SECONDS)
        except NoAnswerError as error:
            print(error, file=sys.stderr)
            return 1
        print(result.output, end="", flush=True)
        if result.returncode:
            print(f"exited with {result.returncode}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
