"""The smallest client: send pictures, print the five classes of each.

    python simple_request.py castle_image.jpg
    python simple_request.py --json photos/ more.png > answers.jsonl
    python simple_request.py - < castle_image.jpg
    python simple_request.py --wait 60 --url http://127.0.0.1:5001

The exit code is 1 when a picture failed.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import requests

from client_options import DEFAULT_IMAGE, add_service_options, pictures, positive

TIMEOUT_S = 60
LOOK_INTERVAL_S = 0.25


def main() -> int:
    """Classify the pictures and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", nargs="*", help="pictures, folders, or - for standard input (default: the castle)")
    parser.add_argument("--json", action="store_true", help="print all of each answer, one a line, in JSON")
    parser.add_argument("--wait", type=positive, metavar="S", help="wait up to S seconds until the service is ready")
    add_service_options(parser)
    args = parser.parse_args()
    try:
        images = pictures(args.image or [str(DEFAULT_IMAGE)])
        if args.wait:
            wait_until_ready(args.url, args.wait)
        # A list, since what comes after a picture that failed is to be sent all the same.
        good = [show(image, ask(image, args), args.json, len(images) > 1) for image in images]
    except requests.RequestException as error:
        print(f"{args.url}: {explain(error)}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0 if all(good) else 1


def classify(upload: bytes, url: str, api_key: str | None = None) -> dict[str, Any]:
    """Send one picture and return the service's answer, which may be an error of its own.

    Raises:
        requests.RequestException: nothing that speaks JSON answers at that address.
    """
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    response = requests.post(f"{url}/predict", files={"image": upload}, headers=headers, timeout=TIMEOUT_S)
    answer: dict[str, Any] = response.json()
    return answer


def ask(image: str, args: argparse.Namespace) -> dict[str, Any]:
    """Send the picture of that name; where it cannot be read, return an error in the form of the service's own."""
    try:
        upload = sys.stdin.buffer.read() if image == "-" else Path(image).read_bytes()
    except OSError as error:
        return {"success": False, "detail": error.strerror}
    return classify(upload, args.url, args.api_key)


def show(image: str, answer: dict[str, Any], as_json: bool, with_name: bool) -> bool:
    """Print one answer, and tell whether it was a good one."""
    good = bool(answer.get("success"))
    if as_json:
        print(json.dumps({"image": image} | answer), flush=True)
    elif good:
        lines = [f"{image}:"] if with_name else []
        for rank, prediction in enumerate(answer["predictions"], start=1):
            lines.append(f"{rank}. {prediction['label']}: {prediction['probability']:.4f}")
        print("\n".join(lines), flush=True)
    if not good:
        print(f"{image}: {answer.get('detail', answer)}", file=sys.stderr)
    return good


def wait_until_ready(url: str, seconds: float) -> None:
    """Ask until the service says that it is ready.

    Raises:
        requests.RequestException: it was not ready in time; this is what it said, or why it said nothing, at last.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            answer = requests.get(f"{url}/readyz", timeout=seconds).json()
            if answer.get("ready"):
                return
            trouble = requests.RequestException(f"not ready: {answer.get('reason', answer)}")
        except requests.RequestException as error:
            trouble = error
        if time.monotonic() > end:
            raise trouble
        time.sleep(LOOK_INTERVAL_S)


def explain(error: requests.RequestException) -> str:
    """Say what most often is the reason."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.JSONDecodeError):
        return "what answers there is not the picture classifier"
    if isinstance(error, requests.ConnectionError) and not isinstance(error, requests.exceptions.SSLError):
        return "nobody answers there; `make run` starts the service"
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
