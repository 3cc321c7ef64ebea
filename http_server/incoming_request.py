"""A request that is being received."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class IncomingRequest:
    """What has come of it so far.

    Attributes:
        target: as the client sent it.
        headers: name and value, in the order in which they came.
        head_bytes: of all names and values.
        body: in one piece, since each of many small ones would take ten times its size.
        body_bytes: how much of the body has come, kept or not.
        announced_bytes: of the body, if the client has said so.
        wire_bytes: read from the connection since this request's head or body began, as far as other portions than that
            hold it.
        wire_bytes_at_chunk: what `wire_bytes` was when a chunk began of which no byte has come; the last one has none.
        is_delivered: it is among the whole ones already.
    """

    target: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    head_bytes: int = 0
    body: bytearray = field(default_factory=bytearray)
    body_bytes: int = 0
    announced_bytes: int | None = None
    wire_bytes: int = 0
    wire_bytes_at_chunk: int | None = None
    is_delivered: bool = False

    @property
    def trailer_bytes(self) -> int:
        """How much has come after the last chunk began, in later portions than that."""
        return 0 if self.wire_bytes_at_chunk is None else self.wire_bytes - self.wire_bytes_at_chunk

    def header(self, name: str) -> str:
        """Return the value of a header, or of several of this name with commas between them; empty if there is none."""
        return ",".join(value for header, value in self.headers if header == name)
