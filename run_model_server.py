"""A worker: it takes jobs off the queue, classifies their pictures and publishes the results.

Start as many as you like, on as many machines as you like. All settings come from the environment or the file .env;
docs/settings.md lists them.

    python run_model_server.py
    MODEL=efficientnet_lite0 ENGINE=openvino python run_model_server.py
    MODEL=flowers.keras LABELS=flowers.txt PREPROCESS=tf python run_model_server.py
"""

import argparse
import sys

from project import VERSION
from worker.service import run_worker


def main() -> int:
    """Run one worker and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=VERSION)
    parser.parse_args()
    return run_worker()


if __name__ == "__main__":
    sys.exit(main())
