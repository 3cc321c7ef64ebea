"""Errors of a request. Each knows its HTTP status; one handler in the web server renders them."""

from typing import Self


class ServiceError(Exception):
    """An error with a message meant for the client.

    Args:
        detail: what was wrong and what to do about it, in a sentence or two.
        retry_after_s: when a new attempt may succeed, in seconds; None where it would not.
    """

    status = 500
    title = "Internal error"

    def __init__(self, detail: str, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s

    def detached(self) -> Self:
        """Return this error without the frames in which it was raised, so that it can be kept among their results.

        They hold the request's pictures, and with such a circle these would stay until the garbage collector comes.
        """
        self.__traceback__ = self.__cause__ = self.__context__ = None
        return self

    @property
    def headers(self) -> dict[str, str]:
        """The headers that belong to the status."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}


class BadImage(ServiceError):
    """There is no picture in the request, or it cannot be read."""

    status = 400
    title = "Not a picture"


class Unauthorized(ServiceError):
    """The request has no API key, or a wrong one."""

    status = 401
    title = "Unauthorized"

    @property
    def headers(self) -> dict[str, str]:
        """How to authenticate, as RFC 9110 requires."""
        return {"WWW-Authenticate": "Bearer"}


class ImageTooLarge(ServiceError):
    """The picture has too many bytes or pixels."""

    status = 413
    title = "Picture too large"


class UnsupportedFormat(ServiceError):
    """The picture, or the request, is in a format that the service does not accept."""

    status = 415
    title = "Unsupported format"


class UntrustedHost(ServiceError):
    """The request names a host that is none of TRUSTED_HOSTS."""

    status = 421
    title = "Misdirected request"


class TooManyRequests(ServiceError):
    """The client has reached its limit."""

    status = 429
    title = "Too many requests"


class BadRequest(ServiceError):
    """The request has too many pictures, or is not in a form that the service understands."""

    status = 400
    title = "Bad request"


class JobFailed(ServiceError):
    """The workers could not classify the picture."""

    title = "Classification failed"


class ServiceUnavailable(ServiceError):
    """Not now: Redis is away, the queue is full, no worker is alive, or the system refuses or kills processes."""

    status = 503
    title = "Service unavailable"


class DeadlineExceeded(ServiceError):
    """No worker answered in time."""

    status = 504
    title = "Deadline exceeded"


class ClientGone(ServiceError):
    """The client has hung up; the status is nginx's, and only the log shows it."""

    status = 499
    title = "Client closed the request"
