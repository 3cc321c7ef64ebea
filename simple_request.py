"""The smallest client: send one picture, print its five classes.

python simple_request.py castle_image.jpg
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import requests

DEFAULT_IMAGE = Path(__file__).with_name("castle_image.jpg")
DEFAULT_URL = "http://127.0.0.1:5000"
TIMEOUT_S = 60


def main() -> int:
    """Classify the picture and return the exit code: 1 when it failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", nargs="?", type=Path, default=DEFAULT_IMAGE, help="a picture (default: the castle)")
    parser.add_argument("--url", default=DEFAULT_URL, help="where the service is (default: %(default)s)")
    parser.add_argument("--api-key", default=os.environ.get("API_KEY"), help="where one is needed (default: $API_KEY)")
    args = parser.parse_args()
    try:
        answer = classify(args.image, args.url, args.api_key)
    except OSError as error:  # the file's, and those of requests
        print(f"{args.url}: {error}" if isinstance(error, requests.RequestException) else error, file=sys.stderr)
        return 1
    if not answer.get("success"):
        print(answer.get("detail", answer), file=sys.stderr)
        return 1
    for rank, prediction in enumerate(answer["predictions"], start=1):
        print(f"{rank}. {prediction['label']}: {prediction['probability']:.4f}")
    return 0


def classify(image: Path, url: str, api_key: str | None = None) -> dict[str, Any]:
    """Send one picture and return the service's answer, which may be an error of its own.

    Raises:
        OSError: the picture cannot be read.
        requests.RequestException: nothing that speaks JSON answers at that address.
    """
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    with image.open("rb") as file:
        response = requests.post(
            f"{url.rstrip('/')}/predict", files={"image": file}, headers=headers, timeout=TIMEOUT_S
        )
    answer: dict[str, Any] = response.json()
    return answer


if __name__ == "__main__":
    sys.exit(main())
