"""Send a question to a DNS server at our address, by UDP: https://www.rfc-editor.org/rfc/rfc1035#section-4."""

from __future__ import annotations

import re
import socket
import struct
from typing import NamedTuple

A, TXT = 1, 16
INTERNET, CHAOS = 1, 3
SECONDS = 2.0
HEADER = struct.Struct("!6H")
QUESTION_ID = 0x1234
RECURSION_DESIRED = 0x0100


class Reply(NamedTuple):
    """A server's answer: its response code (0: no error), the number of answers, and the packet."""

    code: int
    answers: int
    packet: bytes

    @property
    def is_known(self) -> bool:
        """Whether the server knows the name."""
        return self.code == 0 and self.answers > 0


def ask(
    address: str, port: int, name: str, *, kind: int = A, group: int = INTERNET, seconds: float = SECONDS
) -> Reply | None:
    """Ask for a name and return the reply; None without an answer in time."""
    labels = b"".join(bytes([len(label)]) + label for label in name.encode("ascii").split(b".")) + b"\0"
    question = HEADER.pack(QUESTION_ID, RECURSION_DESIRED, 1, 0, 0, 0) + labels + struct.pack("!2H", kind, group)
    packet = exchange((address, port), question, seconds)
    if len(packet) < HEADER.size:
        return None
    _, flags, _, answers, _, _ = HEADER.unpack_from(packet)
    return Reply(flags & 0xF, answers, packet)


def exchange(address: tuple[str, int], question: bytes, seconds: float) -> bytes:
    """Send a packet and return the answer; empty without an answer in time."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(seconds)
        try:
            link.connect(address)
            link.send(question)
            return link.recv(4096)
        except OSError:
            return b""


def ask_dnsmasq(address: str, counter: str, *, seconds: float = SECONDS) -> int | None:
    """Return one of dnsmasq's own counters, such as cachesize; None if it does not answer.

    dnsmasq answers this without another server, so the answer shows that dnsmasq itself runs.
    """
    reply = ask(address, 53, f"{counter}.bind", kind=TXT, group=CHAOS, seconds=seconds)
    if reply is None:
        return None
    digits = re.search(rb"[0-9]*\Z", reply.packet)
    return int(digits.group() or 0) if digits else 0
