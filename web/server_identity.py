"""Which web server answers: behind a load balancer, each has counts of its own."""

import os
import secrets
import time
from dataclasses import dataclass, field, replace
from typing import Self

from settings import Settings


@dataclass(frozen=True)
class ServerIdentity:
    """One run of a web server; its processes have the same one, since they count together.

    Attributes:
        name: no other run has it, not even of the same SERVER_NAME.
        started: in seconds of `time.monotonic`, which all processes of a host share.
    """

    name: str
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def new(cls, settings: Settings) -> Self:
        """Return the identity of a web server that starts now."""
        return cls(f"{settings.name_of('web')}-{secrets.token_hex(2)}")

    def of_process(self) -> Self:
        """Return the identity of this process, for one that counts for itself."""
        return replace(self, name=f"{self.name}-{os.getpid()}")

    @property
    def uptime_s(self) -> float:
        """How long it has been running, in seconds."""
        return time.monotonic() - self.started
