"""The web server: HTTP in front of the queue, in several processes of many threads.

Start as many as you like behind any load balancer. All settings come from the environment or the file .env;
docs/settings.md lists them.

    python run_web_server.py
    HOST=0.0.0.0 PORT=8000 WEB_PROCESSES=4 python run_web_server.py
    REDIS_URL=rediss://user:password@redis.internal:6379/0 python run_web_server.py
"""

import argparse

from logger import configure_logging
from project import VERSION
from settings import load_settings
from web.gunicorn_server import serve


def main() -> None:
    """Run one web server until it is told to stop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=VERSION)
    parser.parse_args()
    settings = load_settings()
    configure_logging(settings.name_of("web"), settings.log_format, settings.log_level)
    serve(settings)


if __name__ == "__main__":
    main()
