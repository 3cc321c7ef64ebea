"""The smallest client: send pictures, print the five classes of each.

    python simple_request.py castle_image.jpg
    python simple_request.py --json photos/ more.png > answers.jsonl
    python simple_request.py - < castle_image.jpg
    python simple_request.py --wait 60 --url http://127.0.0.1:5001

The exit code is 1 when a picture failed.
"""

import argparse
import sys

from clients.options import DEFAULT_IMAGE, add_common_options, file_name, non_negative, timeout
from clients.simple import SimpleClient

RETRY_S = 60


def main() -> int:
    """Classify the pictures and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    image_help = "pictures, folders, or - for standard input (default: the castle)"
    parser.add_argument("image", nargs="*", type=file_name, help=image_help)
    parser.add_argument("--json", action="store_true", help="print whole answers as JSON, one a line")
    parser.add_argument("--wait", type=timeout, metavar="S", help="wait up to S seconds until the service is ready")
    retry_help = (
        "try again for up to S seconds a picture while the service is busy or breaks off (default: %(default)g)"
    )
    parser.add_argument("--retry", type=non_negative, default=RETRY_S, metavar="S", help=retry_help)
    add_common_options(parser)
    args = parser.parse_args()
    client = SimpleClient(args.url, args.api_key, as_json=args.json, wait_s=args.wait or 0, retry_s=args.retry)
    return client.run(args.image or [str(DEFAULT_IMAGE)])


if __name__ == "__main__":
    sys.exit(main())
