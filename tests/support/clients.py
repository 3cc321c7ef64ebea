"""HTTP clients that send pictures of one colour."""

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import requests

from tests.conftest import picture


def post(url: str, colour: str) -> requests.Response:
    return requests.post(f"{url}/predict", files={"image": picture(colour)}, timeout=60)


def post_all(url: str, *colours: str) -> requests.Response:
    """Send pictures in one request."""
    return requests.post(f"{url}/predict", files=[("image", picture(colour)) for colour in colours], timeout=60)


def label(response: requests.Response) -> str:
    assert response.status_code == 200, response.text
    top: str = response.json()["predictions"][0]["label"]
    return top


def labels(response: requests.Response) -> list[str]:
    """Return the likeliest class of each picture of a request, or its problem's detail."""
    assert response.status_code == 200, response.text
    results = response.json()["results"]
    return [result["predictions"][0]["label"] if result["success"] else result["detail"] for result in results]


@contextmanager
def posting(url: str, *colours: str) -> Iterator[list["Future[requests.Response]"]]:
    """Send pictures from threads, and yield the futures of the responses."""
    with ThreadPoolExecutor(len(colours)) as pool:
        yield [pool.submit(post, url, colour) for colour in colours]


def requests_in_progress(url: str) -> int:
    """Return how many requests a web server says that it has in hand."""
    metrics = requests.get(f"{url}/metrics", timeout=60).text
    (line,) = re.findall(r"^classifier_http_requests_in_progress (.*)$", metrics, re.MULTILINE)
    return int(float(line))
