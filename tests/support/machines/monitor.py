"""How a test talks to QEMU itself: its monitor protocol (QMP) over a Unix socket, one conversation a question."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.speed import scaled

ANSWER_SECONDS = 30.0
SAVE_SECONDS = 300.0
PAUSE = 0.05
# Bytes a second: the default is a network's.
BANDWIDTH = 1 << 34


class MonitorError(Exception):
    """QEMU refused a command, or did not get it done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """The monitor of one QEMU."""

    path: Path

    def ask(self, command: str, **arguments: object) -> Any:
        """Give one command and return its answer."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(ANSWER_SECONDS)
            line.connect(str(self.path))
            with line.makefile("rw", encoding="utf-8") as talk:
                for request in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
                    talk.write(json.dumps(request) + "\n")
                    talk.flush()
                    answer = _answer(talk)
        return answer

    def stop(self) -> None:
        """Halt the guest's processors: its time stands still."""
        self.ask("stop")

    def go_on(self) -> None:
        """Let the guest's processors run."""
        self.ask("cont")

    def save(self, state: Path) -> None:
        """Write memory and devices of a guest that is halted to a file; afterwards its QEMU is good for nothing."""
        self.ask("migrate-set-parameters", **{"max-bandwidth": BANDWIDTH})
        self.ask("migrate", uri=f"exec:cat >{state}")
        deadline = time.monotonic() + scaled(SAVE_SECONDS)
        while (status := self.ask("query-migrate"))["status"] != "completed":
            if status["status"] == "failed" or time.monotonic() > deadline:
                raise MonitorError(f"{state}: not saved: {status}")
            time.sleep(PAUSE)

    def status(self) -> str:
        """Return in one word what the guest's processors do, such as running; nothing while QEMU does not answer."""
        try:
            return str(self.ask("query-status")["status"])
        except (FileNotFoundError, ConnectionRefusedError):  # it has yet to open its socket
            return ""


def _answer(talk: Any) -> Any:
    for line in talk:
        answer: Mapping[str, Any] = json.loads(line)
        if "error" in answer:
            raise MonitorError(str(answer["error"]))
        if "return" in answer:
            return answer["return"]
    raise MonitorError("the line is closed")
