"""Hosts on a network of their own, all on this machine; packets between two of them can be lost or delayed.

Each host is a Linux network namespace without a name: it lives as long as a thread, a process or a file refers to it,
so nothing is left behind, even when this process is killed. Whatever a thread of the host starts is on that host.

    with Network() as network:
        redis, web = network.host(), network.host()
        redis.call(subprocess.Popen, ["redis-server", "--bind", redis.address])
        network.disturb(web, redis, delay_s=0.05, loss=0.05)
        network.disturb(web, redis, loss=1)  # a silent cut: nobody is told
        network.heal()
"""

import ctypes
import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import product
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from benchmarks.packet_router import Disturbance, PacketRouter

# From linux/sched.h and linux/if_tun.h.
_CLONE_NEWNET = 0x40000000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_TUN = "/dev/net/tun"
# Enough for the clients of a test; a thread that nobody needs is not started.
_THREADS = 64

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def missing() -> str:
    """Return what is missing here for networks of our own; empty when they are possible."""
    if os.geteuid():
        return "network namespaces need root"
    if not os.path.exists(_TUN):
        return f"there is no {_TUN}; modprobe tun"
    if not shutil.which("ip"):
        return "there is no ip; apt-get install iproute2"
    try:
        os.close(_new_namespace())
    except OSError as error:
        return f"the kernel makes no network namespace: {error}"
    return ""


class Host:
    """A network namespace with one address.

    Attributes:
        address: its IPv4 address.
        threads: a pool of threads that live on this host.
    """

    def __init__(self, number: int) -> None:
        self.address = f"10.0.0.{number}"
        self._namespace = _new_namespace()
        self.threads = ThreadPoolExecutor(_THREADS, initializer=lambda: _enter(self._namespace))

    def call(self, do: Callable[Arguments, Result], *args: Arguments.args, **options: Arguments.kwargs) -> Result:
        """Do something on this host, in another thread, and return what it returns."""
        return self.threads.submit(do, *args, **options).result()

    def plug_in(self) -> int:
        """Give the host a network interface, and return the file of its packets."""
        return self.call(self._make_interface)

    def close(self) -> None:
        """Wait until everything that runs in its threads has ended, and leave the namespace."""
        self.threads.shutdown()
        os.close(self._namespace)

    def _make_interface(self) -> int:
        packets = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(packets, _TUNSETIFF, struct.pack("16sH22x", b"net0", _IFF_TUN | _IFF_NO_PI))
        _ip("link", "set", "lo", "up")
        _ip("address", "add", f"{self.address}/24", "dev", "net0")
        _ip("link", "set", "net0", "up")
        return packets


class Network:
    """Some hosts and the router between them; to be used with `with`.

    Args:
        seed: of the choice of packets that are lost.
    """

    def __init__(self, seed: int = 0) -> None:
        self._router = PacketRouter(seed)
        self._hosts: list[Host] = []
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._open.enter_context(self._router)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    def host(self) -> Host:
        """Add a host.

        Raises:
            OSError: this process may not make namespaces or interfaces.
        """
        host = Host(len(self._hosts) + 1)
        self._open.callback(host.close)
        self._router.plug(host.address, host.plug_in())
        self._hosts.append(host)
        return host

    def disturb(self, one: Host, other: Host, delay_s: float = 0, loss: float = 0) -> None:
        """Disturb the packets between two hosts, both ways, until `heal`.

        Args:
            one: the first host.
            other: the second host.
            delay_s: added to each packet's way, in seconds; a round trip takes twice that.
            loss: share of the packets that vanish, from 0 to 1; at 1 the link is cut, and neither side is told.
        """
        self._router.disturb(one.address, other.address, Disturbance(delay_s, loss))

    def lose_next(self, one: Host, other: Host) -> None:
        """Lose the next packet between two hosts."""
        self._router.lose_next(one.address, other.address)

    def isolate(self, host: Host) -> None:
        """Cut a host off from all others, silently, until `heal`."""
        self.split([host], [other for other in self._hosts if other is not host])

    def split(self, some: Sequence[Host], others: Sequence[Host]) -> None:
        """Cut each of some hosts off from each of the others, silently, until `heal`."""
        for one, other in product(some, others):
            self.disturb(one, other, loss=1)

    def forget_connections(self, one: Host, other: Host) -> None:
        """Drop all packets of the connections that two hosts have now, as a firewall does that has forgotten them.

        Later connections are not affected; neither side is told.
        """
        self._router.forget(one.address, other.address)

    def heal(self) -> None:
        """End all disturbances."""
        self._router.heal()


def _new_namespace() -> int:
    """Return a file that refers to a new network namespace; the thread that has made it ends."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_leave_for_a_new_one).result()


def _leave_for_a_new_one() -> int:
    _check(_libc().unshare(_CLONE_NEWNET))
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def _enter(namespace: int) -> None:
    _check(_libc().setns(namespace, _CLONE_NEWNET))


def _libc() -> ctypes.CDLL:
    # Python has os.unshare and os.setns from 3.12 on.
    return ctypes.CDLL(None, use_errno=True)


def _check(outcome: int) -> None:
    if outcome:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
