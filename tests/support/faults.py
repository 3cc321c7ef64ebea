"""Shared by tests of faults: settings that detect faults quickly, and a worker that can be made to fail."""

from benchmarks.services import Process, Services, wait_until
from jobs.protocol import Keys
from tests.conftest import COLOURS, Client

FAST_DETECTION: dict[str, object] = {"web_processes": 1, "poll_interval_s": 0.3, "heartbeat_ttl_s": 2}
# The faulty worker crashes on white.
HARMLESS = [colour for colour in COLOURS if colour != "white"]


def start_faulty_worker(services: Services, delay_s: float = 0, **changes: object) -> Process:
    worker = services.start_module("tests.support.faulty_worker", TEST_DELAY_S=delay_s, **changes)
    wait_until(lambda: "worker_started" in worker.output or worker.popen.poll() is not None)
    # A picture may have killed it since.
    assert "worker_started" in worker.output, worker.output
    return worker


def claimed_by(client: Client, keys: Keys) -> set[str]:
    return {client.get(key) for key in client.keys(keys.claim("*"))}


def busy(client: Client, keys: Keys, worker: Process) -> bool:
    """Tell whether the worker, whose name contains its process id, has claimed a job."""
    return any(f"-{worker.popen.pid}-" in (name or "") for name in claimed_by(client, keys))


def claims(client: Client, keys: Keys) -> list[str]:
    found: list[str] = client.keys(keys.claim("*"))
    return found
