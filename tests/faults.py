"""What tests of faults share: settings under which a fault is soon noticed, and a worker that can be made to fail."""

from job_protocol import Keys
from tests.conftest import COLOURS, Client
from tests.services import Process, Services, wait_until

IMPATIENT: dict[str, object] = {"web_processes": 1, "poll_interval_s": 0.3, "heartbeat_ttl_s": 2}
# White is the poison of the frail worker.
HARMLESS = [colour for colour in COLOURS if colour != "white"]


def start_frail_worker(services: Services, delay_s: float = 0, **changes: object) -> Process:
    worker = services.start_module("tests.frail_worker", TEST_DELAY_S=delay_s, **changes)
    wait_until(lambda: "worker_started" in worker.output)
    return worker


def claimed_by(client: Client, keys: Keys) -> set[str]:
    return {client.get(key) for key in client.keys(keys.claim("*"))}


def busy(client: Client, keys: Keys, worker: Process) -> bool:
    """Tell whether the worker, whose name holds its process id, has a job in hand."""
    return any(f"-{worker.popen.pid}-" in (name or "") for name in claimed_by(client, keys))


def claims(client: Client, keys: Keys) -> list[str]:
    found: list[str] = client.keys(keys.claim("*"))
    return found
