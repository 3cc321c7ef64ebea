"""A service whose parts are on hosts of their own, with a network between them that can be cut."""

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import redis
import requests

from benchmarks.network_namespaces import Host, Network
from benchmarks.services import Process, Services, answers, wait_until
from jobs.protocol import Keys
from tests.conftest import MakeSettings
from tests.support.clients import label, post
from tests.support.faults import claimed_by, claims
from tools.embedded_redis import find_server

REDIS_PORT, WEB_PORT = 6379, 5000
# Time enough to cut a link while a picture is being computed; no picture kills it.
SLOW_WORKER = {"TEST_DELAY_S": 0.6, "TEST_POISON": -1}
WORKERS = 2


class NetworkedService:
    """Redis, a web server, two workers and a client, each on a host of its own.

    Attributes:
        workers: the workers' hosts, by their processes.
        redis_client: asks Redis on its own host, which no fault of the network concerns.
    """

    def __init__(self, network: Network, make_settings: MakeSettings, folder: Path) -> None:
        self.network = network
        self.redis, self.web, self.client = network.host(), network.host(), network.host()
        self.url = f"http://{self.web.address}:{WEB_PORT}"
        redis_url = f"redis://{self.redis.address}:{REDIS_PORT}/0"
        self.settings = make_settings(redis_url=redis_url, web_processes=1, batch_size=1, worker_grace_s=5)
        self.keys = Keys(self.settings)
        self.services = Services(self.settings, folder)
        self.workers: dict[Process, Host] = {}

    def start(self) -> None:
        """Start everything and wait until pictures are classified."""
        command = [str(find_server()), "--bind", self.redis.address, "--port", str(REDIS_PORT)]
        self.redis.call(self.services.start_command, [*command, "--protected-mode", "no", "--save", ""])
        self.redis_client: Any = self.redis.call(_connected, self.redis.address)
        start = self.services.start
        self.web_server = self.web.call(start, "run_web_server.py", HOST=self.web.address, PORT=WEB_PORT)
        for _ in range(WORKERS):
            host = self.network.host()
            worker = host.call(self.services.start_module, "tests.support.faulty_worker", **SLOW_WORKER)
            self.workers[worker] = host
        wait_until(lambda: all("worker_started" in worker.output for worker in self.workers))
        self.client.call(wait_until, lambda: answers(f"{self.url}/readyz"))
        assert label(self.post("red")) == "red"

    def post(self, colour: str) -> requests.Response:
        """Send a picture from the client's host."""
        return self.client.call(post, self.url, colour)

    def posting(self, *colours: str) -> list["Future[requests.Response]"]:
        """Send pictures from the client's host at once, without waiting for their answers."""
        return [self.client.threads.submit(post, self.url, colour) for colour in colours]

    def busy_worker(self) -> Process:
        """Wait until a worker has claimed a job, and return it."""
        wait_until(lambda: claimed_by(self.redis_client, self.keys))
        (name,) = claimed_by(self.redis_client, self.keys)
        return next(worker for worker in self.workers if f"-{worker.popen.pid}-" in name)

    def posting_until_in_hand(self, *colours: str) -> list["Future[requests.Response]"]:
        """Do the same, and wait until all have come, and the web server knows."""
        futures = self.posting(*colours)
        wait_until(lambda: self._jobs() + sum(future.done() for future in futures) == len(colours))
        # What Redis answers now comes after what it has said of the jobs.
        assert self.client.call(answers, f"{self.url}/readyz")
        return futures

    def _jobs(self) -> int:
        return len(claims(self.redis_client, self.keys)) + int(self.redis_client.llen(self.keys.queue))

    def workers_last_seen_since(self, seconds: float) -> int:
        """Return the number of workers of which Redis has heard within the last seconds."""
        now = self.redis_client.time()[0]
        return int(self.redis_client.zcount(self.keys.workers, now - seconds, "+inf"))

    def keys_without_expiry(self) -> list[str]:
        """Return the keys that would stay in Redis for good."""
        return [key for key in self.redis_client.scan_iter() if self.redis_client.ttl(key) == -1]

    def workers_alive(self) -> int:
        """Return the number of workers with a heartbeat."""
        return len(self.redis_client.keys(self.keys.worker("*")))

    def heal(self) -> None:
        """End all faults, and wait until the service is whole again and has nothing in hand."""
        self.network.heal()
        wait_until(lambda: self.workers_alive() == WORKERS)
        wait_until(lambda: self.post("red").status_code == 200)

    def close(self) -> None:
        """Stop everything."""
        self.network.heal()
        self.services.close()
        self.redis_client.close()


def _connected(address: str) -> Any:
    client = redis.Redis(address, REDIS_PORT, decode_responses=True)
    wait_until(lambda: _pings(client))
    return client


def _pings(client: Any) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
