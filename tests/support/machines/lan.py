"""The private network of the guests: a switch in this process, the site's router with DNS and DHCP, and an outsider.

QEMU hands every frame over as one datagram on a Unix socket, so the network touches no interface of this machine, needs
no right to make one, and ends with the test. The outsider is no machine but frames: whatever a neighbour could send,
it sends, and it sees everything on the wire.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.machines import frames
from tests.support.machines.frames import Packet

NETWORK = "10.77.0"
ROUTER = f"{NETWORK}.1"
OTHER_RESOLVER = f"{NETWORK}.2"
ROUTER_MAC = bytes.fromhex("020000000001")
OUTSIDER_MAC = bytes.fromhex("0200000000ff")
OUTSIDE_NAME, OUTSIDE_ADDRESS = "outside.example", "192.0.2.10"
PRIVATE_NAME, PRIVATE_ADDRESS = "intranet.example", f"{NETWORK}.50"
METADATA = "169.254.169.254"  # where clouds tell a machine about itself; here it answers questions for names
LEASE_SECONDS = 120
LISTEN_PORTS = (53, 8500, 8600)


def mac_of(number: int) -> bytes:
    """Return the hardware address of the guest with that number."""
    return bytes.fromhex(f"5254000000{number:02x}")


def address_of(number: int) -> str:
    """Return the address of the guest with that number, fixed or from DHCP."""
    return f"{NETWORK}.{10 + number}"


@dataclass(kw_only=True)
class Lan:
    """The running network; ``names`` is what the site's DNS knows, and may be changed.

    Of its two DNS servers only ``resolver``, which the leases name, is in service.
    """

    folder: Path
    names: dict[str, str] = field(
        default_factory=lambda: {OUTSIDE_NAME: OUTSIDE_ADDRESS, PRIVATE_NAME: PRIVATE_ADDRESS}
    )
    lease: int = LEASE_SECONDS
    resolver: str = ROUTER
    leases_given: int = 0
    outsider_addresses: set[str] = field(default_factory=set)
    _ports: dict[int, socket.socket] = field(default_factory=dict)
    _where: dict[bytes, int] = field(default_factory=dict)
    _seen: list[Packet] | None = None
    _asked: int = 0
    _changes: selectors.DefaultSelector = field(default_factory=selectors.DefaultSelector)
    _is_over: threading.Event = field(default_factory=threading.Event)

    def netdev(self, number: int) -> str:
        """Return QEMU's argument for the guest with that number, and listen for it."""
        if number not in self._ports:
            port = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            port.bind(str(self.folder / f"switch-{number}"))
            port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            self._ports[number] = port
            self._changes.register(port, selectors.EVENT_READ, number)
        guest, switch = self.folder / f"guest-{number}", self.folder / f"switch-{number}"
        return f"dgram,id=lan,local.type=unix,local.path={guest},remote.type=unix,remote.path={switch}"

    def serve(self) -> None:
        """Carry frames until the network is over."""
        while not self._is_over.is_set():
            for key, _ in self._changes.select(timeout=0.2):
                with contextlib.suppress(BlockingIOError):
                    while True:
                        self._carry(int(key.data), os.read(key.fd, 65536))

    def _carry(self, origin: int, frame: bytes) -> None:
        self._where[frame[6:12]] = origin
        packet = frames.read_packet(frame)
        if packet and self._seen is not None:
            self._seen.append(packet)
        for answer in self._own_answers(frame, packet):
            self.send(answer)
        self.send(frame, origin=origin)

    def send(self, frame: bytes, *, origin: int = 0) -> None:
        """Give a frame to the port where its receiver is, or to all but the one it came from."""
        known = self._where.get(frame[:6])
        for number, port in tuple(self._ports.items()):
            if number != origin and known in {None, number}:
                with contextlib.suppress(OSError):  # the guest is off, or does not keep up: a wire loses frames too
                    port.sendto(frame, str(self.folder / f"guest-{number}"))

    def _own_answers(self, frame: bytes, packet: Packet | None) -> Iterator[bytes]:
        for mac, addresses in ((ROUTER_MAC, {ROUTER, OTHER_RESOLVER}), (OUTSIDER_MAC, self.outsider_addresses)):
            if answer := frames.arp_answer(frame, mac, addresses):
                yield answer
        if packet is None or packet.protocol != frames.UDP:
            return
        reply, source = b"", ROUTER
        target = (packet.source, packet.source_port)
        if packet.target in {self.resolver, METADATA} and packet.target_port == 53:
            source = packet.target
            reply = frames.dns_answer(packet.payload, self.names)
        elif packet.target_port == 67 and frame[6:11] == mac_of(0)[:5]:
            self.leases_given += 1
            target = (address_of(frame[11]), 68)
            reply = frames.dhcp_answer(
                packet.payload, address=target[0], server=ROUTER, resolver=self.resolver, lease=self.lease
            )
        if reply:
            datagram = frames.udp((source, packet.target_port), target, reply)
            yield frames.ethernet(frame[6:12], ROUTER_MAC, frames.IPV4, datagram)

    def answers(self, number: int, target: str, *, source: str, name: str, seconds: float = 2.0) -> set[str]:
        """Ask everything at ``target`` by way of a guest and return what came back, e.g. {"tcp 8500", "udp 53"}.

        The frames go to the guest's hardware address, as with a route through it. Any packet from the target's
        address to a port of this question counts, whoever it is meant for; a host repeats its answers to earlier ones.
        """
        self.outsider_addresses = {source}
        self._asked += 1
        ports = [40000 + 8 * (self._asked % 1000) + index for index in range(2 * len(LISTEN_PORTS))]
        self._seen = []
        question = frames.dns_question(name)
        deadline = time.monotonic() + seconds
        for attempt in range(2):  # the first may be lost while the guest asks for the outsider's hardware address
            for index, port in enumerate(LISTEN_PORTS):
                origin, there = (source, ports[2 * index + attempt]), (target, port)
                for packet in (frames.udp(origin, there, question), frames.tcp(origin, there, frames.SYN)):
                    self.send(frames.ethernet(mac_of(number), OUTSIDER_MAC, frames.IPV4, packet))
            time.sleep(max(0.0, deadline - time.monotonic()) / (2 - attempt))
        seen, self._seen, self.outsider_addresses = self._seen, None, set()
        kinds = {frames.TCP: "tcp", frames.UDP: "udp"}
        return {
            f"{kinds.get(one.protocol, 'icmp')} {one.source_port}"
            for one in seen
            if one.source == target and (one.protocol not in kinds or one.target_port in ports)
        }

    def close(self) -> None:
        """End the network."""
        self._is_over.set()
        for port in self._ports.values():
            self._changes.unregister(port)
            port.close()
        self._changes.close()


@contextlib.contextmanager
def running_lan(folder: Path) -> Iterator[Lan]:
    """Give a network, its sockets in ``folder``."""
    lan = Lan(folder=folder)
    thread = threading.Thread(target=lan.serve, name="lan")
    thread.start()
    try:
        yield lan
    finally:
        lan._is_over.set()
        thread.join(timeout=5)
        lan.close()
