"""What a client may do, and how long it may take."""

from typing import NamedTuple

# As Apache's mod_reqtimeout has it, which extends the time for a body by a second for each so many bytes:
# https://httpd.apache.org/docs/2.4/mod/mod_reqtimeout.html.
MIN_BYTES_PER_S = 500
# gunicorn's and nginx's defaults are 8 KB for the first line, and as much for each header or for all of them.
MAX_TARGET_BYTES = 8 * 1024
MAX_HEAD_BYTES = 32 * 1024
MAX_HEADERS = 100
# Chunks may double a body on its way; what is more has been cut up to cost time.
MAX_CHUNK_OVERHEAD_BYTES = 64 * 1024
# How much of a refused request is read, and for how long, so that its client gets to read the answer: a connection
# that is closed before all has been read is reset.
MAX_DISCARDED_BYTES = 100 * 1024 * 1024
LINGER_S = 5.0
KEEPALIVE_S = 75.0


class Limits(NamedTuple):
    """Of one process.

    Attributes:
        body_bytes: of one request.
        pending_bytes: of the bodies of all requests that are being received or answered.
        client_s: a client's time for a request's head, again for its body, of which each `MIN_BYTES_PER_S` give it
            another second, and again for a trailer.
        connections: open at once.
        threads: requests in progress at once.
    """

    body_bytes: int
    pending_bytes: int
    client_s: float
    connections: int
    threads: int
