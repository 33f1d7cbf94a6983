"""Ethernet frames made and read by hand: as much of ARP, IPv4, UDP, TCP, DHCP and DNS as a network of guests needs."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

BROADCAST = b"\xff" * 6
ARP, IPV4 = 0x0806, 0x0800
TCP, UDP = 6, 17
SYN, RESET = 0x02, 0x04


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """An IPv4 packet as it was seen; ports are 0 where the protocol has none."""

    sender: bytes
    source: str
    target: str
    protocol: int
    source_port: int
    target_port: int
    flags: int
    payload: bytes


def checksum(data: bytes) -> int:
    """Return the Internet checksum."""
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(~total & 0xFFFF)


def ethernet(target: bytes, sender: bytes, kind: int, payload: bytes) -> bytes:
    """Return a frame, padded to Ethernet's smallest length."""
    return (target + sender + struct.pack("!H", kind) + payload).ljust(60, b"\0")


def ipv4(source: str, target: str, protocol: int, payload: bytes) -> bytes:
    """Return an IPv4 packet."""
    addresses = socket.inet_aton(source) + socket.inet_aton(target)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0) + addresses
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def udp(source: tuple[str, int], target: tuple[str, int], payload: bytes) -> bytes:
    """Return an IPv4 packet with a UDP datagram; it has no checksum, as UDP allows."""
    head = struct.pack("!HHHH", source[1], target[1], 8 + len(payload), 0)
    return ipv4(source[0], target[0], UDP, head + payload)


def tcp(source: tuple[str, int], target: tuple[str, int], flags: int) -> bytes:
    """Return an IPv4 packet with a TCP segment without content."""
    segment = struct.pack("!HHIIBBHHH", source[1], target[1], 1, 0, 5 << 4, flags, 64240, 0, 0)
    pseudo = socket.inet_aton(source[0]) + socket.inet_aton(target[0]) + struct.pack("!BBH", 0, TCP, len(segment))
    segment = segment[:16] + struct.pack("!H", checksum(pseudo + segment)) + segment[18:]
    return ipv4(source[0], target[0], TCP, segment)


def read_packet(frame: bytes) -> Packet | None:
    """Return the IPv4 packet of a frame; None if there is none."""
    if len(frame) < 34 or frame[12:14] != struct.pack("!H", IPV4):
        return None
    begin = 14 + (frame[14] & 0x0F) * 4
    end = 14 + struct.unpack("!H", frame[16:18])[0]
    body, protocol = frame[begin:end], frame[23]
    ports = struct.unpack("!HH", body[:4]) if protocol in {TCP, UDP} and len(body) >= 8 else (0, 0)
    return Packet(
        sender=frame[6:12],
        source=socket.inet_ntoa(frame[26:30]),
        target=socket.inet_ntoa(frame[30:34]),
        protocol=protocol,
        source_port=ports[0],
        target_port=ports[1],
        flags=body[13] if protocol == TCP and len(body) >= 20 else 0,
        payload=body[8:] if protocol == UDP else b"",
    )


def arp_answer(frame: bytes, mac: bytes, addresses: set[str]) -> bytes | None:
    """Return the answer to a frame that asks for one of these addresses by ARP; None if it does not."""
    if frame[12:14] != struct.pack("!H", ARP) or frame[20:22] != b"\0\1":
        return None
    asked = frame[38:42]
    # A probe for conflicts has no sender address; nobody owns the address then, as far as we are concerned.
    if socket.inet_ntoa(asked) not in addresses or frame[28:32] == b"\0\0\0\0":
        return None
    return ethernet(frame[6:12], mac, ARP, frame[14:20] + b"\0\2" + mac + asked + frame[22:32])


def dns_question(name: str) -> bytes:
    """Return a query for a name's IPv4 address."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", 0x4242, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", 1, 1)


def dns_answer(query: bytes, names: dict[str, str]) -> bytes:
    """Return the answer of a server that knows these addresses and no other name."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode(errors="replace").lower())
        at += 1 + query[at]
    question = query[12 : at + 5]
    address = names.get(".".join(labels))
    is_found = address is not None and question[-4:-2] == b"\0\1"
    code = 0 if address is not None else 3
    record = struct.pack("!HHHIH", 0xC00C, 1, 1, 60, 4) + socket.inet_aton(address) if address and is_found else b""
    return query[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, int(is_found), 0, 0) + question + record


def dhcp_answer(request: bytes, *, address: str, server: str, resolver: str, lease: int) -> bytes:
    """Return the answer to a DHCP request: this client's one address, the router at ``server``, DNS at ``resolver``."""
    options = request[240:]
    kind, at = 0, 0
    while at < len(options) and options[at] != 255:
        if options[at] == 53:
            kind = options[at + 2]
        at += 1 if options[at] == 0 else 2 + options[at + 1]
    own = socket.inet_aton(server)
    answers = ((53, bytes([2 if kind == 1 else 5])), (54, own), (51, struct.pack("!I", lease)))
    network = ((1, b"\xff\xff\xff\0"), (3, own), (6, socket.inet_aton(resolver)))
    given = b"".join(bytes([code, len(value)]) + value for code, value in (*answers, *network))
    head = b"\2" + request[1:12] + request[12:16] + socket.inet_aton(address) + own + b"\0" * 4
    return head + request[28:44] + b"\0" * 192 + request[236:240] + given + b"\xff"
