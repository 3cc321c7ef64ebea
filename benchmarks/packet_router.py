"""Forwards IPv4 packets between network interfaces, and loses or delays those between two addresses on demand.

It does in Python what the kernel's netem does, which few machines have. A packet of 1,500 bytes takes it about 10 us.
"""

import heapq
import os
import random
import selectors
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from types import TracebackType
from typing import Self

# Larger than the MTU.
_MAX_PACKET_BYTES = 65_536
# How soon the thread notices that it should end, when there are no packets.
_IDLE_S = 0.1
_TCP = 6

Pair = frozenset[bytes]
# The addresses and ports of a TCP connection, in no order.
Connection = frozenset[tuple[bytes, int]]


@dataclass(frozen=True)
class Disturbance:
    """What happens to packets between two addresses.

    Attributes:
        delay_s: added to each packet's way, in seconds.
        loss: share of the packets that vanish, from 0 to 1.
    """

    delay_s: float = 0
    loss: float = 0


class PacketRouter:
    """A thread that forwards packets; to be used with `with`, which closes all interfaces at its end.

    Args:
        seed: of the choice of packets that are lost.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311
        self._interfaces: dict[bytes, int] = {}
        self._selector = selectors.DefaultSelector()
        self._disturbances: dict[Pair, Disturbance] = {}
        self._lose_next: set[Pair] = set()
        self._seen: set[Connection] = set()
        self._forgotten: set[Connection] = set()
        # By the time at which they are due; the number keeps the order of packets that are due at once.
        self._delayed: list[tuple[float, int, bytes, bytes]] = []
        self._number = count()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="packet-router", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
        self._selector.close()
        for interface in self._interfaces.values():
            os.close(interface)

    def plug(self, address: str, interface: int) -> None:
        """Connect an interface, by the file of its packets."""
        self._interfaces[socket.inet_aton(address)] = interface
        self._selector.register(interface, selectors.EVENT_READ)

    def disturb(self, one: str, other: str, disturbance: Disturbance) -> None:
        """Disturb the packets between two addresses, in both directions."""
        self._disturbances[_pair(one, other)] = disturbance

    def lose_next(self, one: str, other: str) -> None:
        """Lose the next packet between two addresses."""
        self._lose_next.add(_pair(one, other))

    def forget(self, one: str, other: str) -> None:
        """Drop from now on all packets of the TCP connections that two addresses have had so far."""
        pair = _pair(one, other)
        self._forgotten |= {each for each in list(self._seen) if {address for address, _ in each} == pair}

    def heal(self) -> None:
        """End all disturbances."""
        self._disturbances = {}
        self._forgotten = set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            pause_s = self._delayed[0][0] - time.monotonic() if self._delayed else _IDLE_S
            for key, _ in self._selector.select(max(0.0, min(pause_s, _IDLE_S))):
                self._read(key.fd)
            while self._delayed and self._delayed[0][0] <= time.monotonic():
                _, _, target, packet = heapq.heappop(self._delayed)
                self._deliver(target, packet)

    def _read(self, interface: int) -> None:
        packet = os.read(interface, _MAX_PACKET_BYTES)
        if packet[0] >> 4 != 4:
            return  # IPv6, which hosts try by themselves
        source, target = packet[12:16], packet[16:20]
        if packet[9] == _TCP and self._is_forgotten(packet, source, target):
            return
        pair = frozenset((source, target))
        if pair in self._lose_next:
            self._lose_next.remove(pair)
            return
        disturbance = self._disturbances.get(pair)
        if disturbance is None:
            self._deliver(target, packet)
        elif self._random.random() >= disturbance.loss:
            due = time.monotonic() + disturbance.delay_s
            heapq.heappush(self._delayed, (due, next(self._number), target, packet))

    def _is_forgotten(self, packet: bytes, source: bytes, target: bytes) -> bool:
        """Remember the packet's connection, and tell whether its packets are dropped."""
        source_port, target_port = struct.unpack_from("!HH", packet, (packet[0] & 0x0F) * 4)
        connection = frozenset(((source, source_port), (target, target_port)))
        self._seen.add(connection)
        return connection in self._forgotten

    def _deliver(self, target: bytes, packet: bytes) -> None:
        # A full queue or a host that has gone: then the packet is lost, as on any network.
        with suppress(KeyError, OSError):
            os.write(self._interfaces[target], packet)


def _pair(one: str, other: str) -> Pair:
    return frozenset((socket.inet_aton(one), socket.inet_aton(other)))
