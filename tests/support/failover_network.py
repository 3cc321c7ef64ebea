"""A service whose Redis fails over, with two web servers behind nginx; every part is on a host of its own."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests

from benchmarks.load import running_clients
from benchmarks.network_namespaces import Host, Network
from benchmarks.networked_redis import NetworkedRedis
from benchmarks.nginx import nginx_command
from benchmarks.services import Process, Services, answers, wait_until
from benchmarks.tally import Outages, Tally
from jobs.protocol import Keys
from tests.conftest import MakeSettings
from tests.support.clients import label, post
from tests.support.nginx import installed_nginx, set_keepalive

WEB_PORT, NGINX_PORT = 5000, 8080
PARTS = 2
# Time enough to cut a link while a picture is being computed; no picture kills it.
SLOW_WORKER = {"TEST_DELAY_S": 0.3, "TEST_POISON": -1}


class FailoverService:
    """Three hosts with Redis and Sentinel, two web servers, two workers, nginx and a client.

    Attributes:
        url: of nginx.
        web_servers: their hosts.
        workers: their hosts.
        client: the host of those who send pictures.
    """

    def __init__(self, network: Network, make_settings: MakeSettings, folder: Path) -> None:
        self.network = network
        self.redis = NetworkedRedis(network, folder)
        self.web_servers = [network.host() for _ in range(PARTS)]
        self.workers = [network.host() for _ in range(PARTS)]
        self.nginx, self.client = network.host(), network.host()
        self.url = f"http://{self.nginx.address}:{NGINX_PORT}"
        self.settings = make_settings(
            redis_url=self.redis.url, web_processes=1, batch_size=1, worker_grace_s=5, trusted_proxies=1
        )
        self._keys = Keys(self.settings)
        self._folder = folder
        self.services = Services(self.settings, folder)
        self._web_processes: list[Process] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start everything, wait until pictures are classified, and stop everything at the end."""
        with ExitStack() as stack:
            stack.callback(self.services.close)
            stack.callback(self.network.heal)
            stack.enter_context(self.redis.running(self.services))
            for host in self.web_servers:
                changes = {"HOST": host.address, "PORT": WEB_PORT, "LOG_LEVEL": "debug"}
                self._web_processes.append(host.call(self.services.start, "run_web_server.py", **changes))
            for host in self.workers:
                host.call(self.services.start_module, "tests.support.faulty_worker", **SLOW_WORKER)
            addresses = [f"{host.address}:{WEB_PORT}" for host in self.web_servers]
            command = nginx_command(installed_nginx(), self._folder, f"{self.nginx.address}:{NGINX_PORT}", addresses)
            self.nginx.call(set_keepalive)
            self.nginx.call(self.services.start_command, command)
            self.wait_until_whole()
            yield

    def post(self, colour: str, url: str = "") -> requests.Response:
        """Send a picture from the client's host, to nginx unless told otherwise."""
        return self.client.call(post, url or self.url, colour)

    def in_hand(self, *colours: str, url: str = "") -> list["Future[requests.Response]"]:
        """Send pictures from the client's host at once, and wait until all of them are queued."""
        before = self._queued()
        futures = [self.client.threads.submit(post, url or self.url, colour) for colour in colours]
        wait_until(lambda: self._queued() == before + len(colours))
        return futures

    @contextmanager
    def load(self, url: str) -> Iterator[Tally]:
        """Have 16 clients send pictures during the block, and count their answers."""
        tally = Tally(Outages())
        with ExitStack() as stack:
            self.client.call(stack.enter_context, running_clients(lambda: [url], tally, seed=1))
            yield tally

    def workers_alive(self) -> int:
        """Return the number of workers with a heartbeat."""
        return len(self.redis.master().server.keys(self._keys.worker("*")))

    def keys_without_expiry(self) -> list[str]:
        """Return the keys that would stay in Redis for good."""
        server = self.redis.master().server
        return [key for key in server.scan_iter() if server.ttl(key) == -1]

    def wait_until_whole(self) -> None:
        """Wait until all parts work together and nothing is in hand."""
        wait_until(self.redis.is_complete)
        wait_until(lambda: self.workers_alive() == PARTS)
        self.client.call(wait_until, lambda: all(answers(f"{url_of(host)}/readyz") for host in self.web_servers))
        wait_until(lambda: label(self.post("blue")) == "blue")

    def _queued(self) -> int:
        return sum(process.output.count(" job_queued ") for process in self._web_processes)


def url_of(web_server: Host) -> str:
    return f"http://{web_server.address}:{WEB_PORT}"
