"""How a test talks to a guest: QEMU's guest agent over a serial port.

It needs no network, so a test may take the guest's network to pieces, and no key exchange, which is slow on an emulated
processor.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import cast

from consul_docker_host.core.run import Result

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ANSWER_SECONDS = 30.0
SENTINEL = b"\xff"


class NoAnswerError(Exception):
    """The agent does not answer: the guest is off, or has yet to start it."""


@dataclass(kw_only=True)
class Agent:
    """The agent of one guest; several threads may use it."""

    path: Path
    _socket: socket.socket | None = None
    _buffer: bytes = b""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def is_there(self, seconds: float = 2.0) -> bool:
        """Say whether the agent answers; whatever was under way before is forgotten."""
        with self._lock:
            try:
                self._connect(seconds)
            except (OSError, NoAnswerError):
                self._drop()
                return False
        return True

    def run(self, argv: list[str], *, seconds: float, stdin: bytes = b"") -> Result:
        """Run a program in the guest to its end; it may take ``seconds`` and ends with 124 otherwise."""
        bounded = ["timeout", "--kill-after=5", f"{seconds:g}", *argv]
        arguments: dict[str, object] = {
            "path": bounded[0],
            "arg": bounded[1:],
            "env": [f"PATH={PATH}", "LANG=C.UTF-8", "HOME=/root", "DEBIAN_FRONTEND=noninteractive"],
            "capture-output": True,
        }
        if stdin:
            arguments["input-data"] = base64.b64encode(stdin).decode()
        number = cast("Mapping[str, int]", self.ask("guest-exec", arguments))["pid"]
        deadline, pause = time.monotonic() + seconds + 10, 0.02
        while True:
            status = cast("Mapping[str, object]", self.ask("guest-exec-status", {"pid": number}))
            if status["exited"]:
                break
            if time.monotonic() > deadline:
                raise NoAnswerError(f"{argv}: timed out after {seconds:g} s")
            time.sleep(pause)
            pause = min(pause * 1.5, 1.0)
        out, error = (base64.b64decode(str(status.get(name, ""))) for name in ("out-data", "err-data"))
        return Result(
            argv=tuple(argv),
            returncode=int(str(status.get("exitcode", 128))),
            stdout=out.decode(errors="replace"),
            stderr=error.decode(errors="replace"),
        )

    def ask(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        """Give one command of the agent's protocol and return its answer."""
        with self._lock:
            try:
                if self._socket is None:
                    self._connect(ANSWER_SECONDS)
                return self._ask(command, arguments or {}, ANSWER_SECONDS)
            except OSError as error:
                self._drop()
                raise NoAnswerError(f"{command}: {error}") from error

    def _ask(self, command: str, arguments: Mapping[str, object], seconds: float) -> object:
        assert self._socket is not None
        request = {"execute": command, "arguments": dict(arguments)}
        self._socket.settimeout(seconds)
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        answer = json.loads(self._line(seconds))
        if "error" in answer:
            raise NoAnswerError(f"{command}: {answer['error']}")
        return answer["return"]

    def _connect(self, seconds: float) -> None:
        self._drop()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(seconds)
        self._socket.connect(str(self.path))
        # After a reset the line may hold the rest of an old conversation: both sides forget it here.
        number = next(self._numbers)
        request = {"execute": "guest-sync-delimited", "arguments": {"id": number}}
        self._socket.sendall(SENTINEL + json.dumps(request).encode() + b"\n")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            line = self._line(max(0.1, deadline - time.monotonic()))
            if SENTINEL in line and json.loads(line.rpartition(SENTINEL)[2]).get("return") == number:
                return
        raise NoAnswerError("the agent does not take up the conversation")

    def _line(self, seconds: float) -> bytes:
        assert self._socket is not None
        deadline = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            self._socket.settimeout(max(0.1, deadline - time.monotonic()))
            data = self._socket.recv(1 << 16)
            if not data:
                raise ConnectionError("the line is closed")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._buffer = None, b""

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            self._drop()
