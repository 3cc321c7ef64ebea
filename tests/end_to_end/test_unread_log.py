"""A log that nobody reads stops nothing."""

import contextlib
import os
import shlex
import sys
from pathlib import Path

from benchmarks.services import Services, answers, wait_until
from tests.support.raw_http import exchange, request, typed
from tools.embedded_redis import free_port


def test_while_nobody_reads_the_log_a_web_server_answers_and_refuses_and_stops_when_told(
    services: Services, tmp_path: Path
) -> None:
    pipe, port = tmp_path / "pipe", free_port()
    os.mkfifo(pipe)
    log = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        command = f"exec {shlex.quote(sys.executable)} run_web_server.py 2>{shlex.quote(str(pipe))}"
        web_server = services.start_command(["sh", "-c", command], PORT=port, WEB_PROCESSES=1)
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/livez"))
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(log, bytes(4096))
        for sent in (request(b"", start="no HTTP"), typed(b"no picture")):
            reply = exchange(port, sent)
            assert reply
            assert reply.status == 400
        assert web_server.stop() == 0
    finally:
        os.close(log)
