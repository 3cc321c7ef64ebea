"""HTTP clients that send pictures of one colour."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import requests

from tests.conftest import picture


def post(url: str, colour: str) -> requests.Response:
    return requests.post(f"{url}/predict", files={"image": picture(colour)}, timeout=60)


def label(response: requests.Response) -> str:
    assert response.status_code == 200, response.text
    top: str = response.json()["predictions"][0]["label"]
    return top


@contextmanager
def posting(url: str, *colours: str) -> Iterator[list["Future[requests.Response]"]]:
    """Send pictures from threads, and yield the futures of the responses."""
    with ThreadPoolExecutor(len(colours)) as pool:
        yield [pool.submit(post, url, colour) for colour in colours]
