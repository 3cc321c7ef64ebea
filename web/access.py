"""Who may use the service, and how often: API keys and a rate limit, each only where it is set."""

import hashlib
import hmac

import redis
from limits import RateLimitItem, RateLimitItemPerMinute, parse_many

from errors import TooManyRequests, Unauthorized
from jobs.connection import connect, redis_errors_as_unavailable
from jobs.hang_detector import connect_impatiently
from logger import log
from settings import Settings
from web.request_counter import RequestCounter, client_of

SCHEME = "bearer"
# Of one address. People mistype less often; whoever guesses shows.
WRONG_KEYS_LIMIT = RateLimitItemPerMinute(10)
# A wrong key must not hold a thread for long while Redis hangs: one of these to connect, one to count.
WRONG_KEYS_TIMEOUT_S = 0.3


class Access:
    """Checks each request before anything is done for it."""

    def __init__(self, settings: Settings) -> None:
        self._keys = [_digest(key) for key in settings.api_keys.get_secret_value().replace(",", " ").split()]
        self._limits: list[RateLimitItem] = parse_many(settings.rate_limit) if settings.rate_limit else []
        self._requests = RequestCounter(settings, connect_impatiently(settings))
        impatient = connect(settings, connect_timeout_s=WRONG_KEYS_TIMEOUT_S, socket_timeout_s=WRONG_KEYS_TIMEOUT_S)
        self._wrong_keys = RequestCounter(settings, impatient)

    def check(self, authorization: str, address: str) -> str:
        """Let a request pass, and count its first picture.

        Args:
            authorization: the request's header of that name.
            address: where the request came from.

        Returns:
            the client, to count the request's other pictures.

        Raises:
            Unauthorized: API_KEYS is set, and the header holds none of them.
            TooManyRequests: this client has reached RATE_LIMIT, or too many wrong keys came from its address.
            QueueUnavailable: Redis, which counts, is away.
        """
        client = self.authenticate(authorization, address)
        self.count(client, 1)
        return client

    def count(self, client: str, pictures: int) -> None:
        """Count pictures of a request, all of them or none.

        Raises:
            TooManyRequests: this client has reached RATE_LIMIT, or would with so many.
            QueueUnavailable: Redis, which counts, is away.
        """
        for limit in self._limits:
            self._count(limit, client, pictures)

    def authenticate(self, authorization: str, address: str) -> str:
        """Let a request pass without counting it.

        Args:
            authorization: the request's header of that name.
            address: where the request came from.

        Returns:
            The name under which the client's requests are counted.

        Raises:
            Unauthorized: API_KEYS is set, and the header holds none of them.
            TooManyRequests: too many wrong keys came from this address.
        """
        client = client_of(address)
        return self._check_key(authorization, client) if self._keys else client

    def _check_key(self, authorization: str, client: str) -> str:
        scheme, _, key = authorization.partition(" ")
        digest = _digest(key.strip())
        # All keys are compared, in constant time, so that the time tells nothing about them.
        matches = [hmac.compare_digest(digest, known) for known in self._keys]
        # Schemes are case-insensitive: RFC 9110, section 11.1.
        if scheme.lower() == SCHEME and any(matches):
            return digest.hex()[:16]
        if authorization:  # the page asks without a key first, to see whether it needs one
            self._count_wrong_key(client)
        raise Unauthorized("Send one of the service's API keys, as the header `Authorization: Bearer KEY`.")

    def _count_wrong_key(self, client: str) -> None:
        """Only wrong keys are counted and refused: those who share the address with a guesser must get through."""
        try:
            wait_s = self._wrong_keys.hit(WRONG_KEYS_LIMIT, "wrong_key", client)
        except redis.RedisError as error:
            log("redis_unavailable", level="warning", error=error)
            return
        if wait_s:
            detail = f"Too many wrong API keys came from this address. Try again in {wait_s} s."
            raise TooManyRequests(detail, retry_after_s=wait_s)
        log("api_key_wrong", level="warning", client=client)

    def _count(self, limit: RateLimitItem, client: str, pictures: int) -> None:
        with redis_errors_as_unavailable():
            wait_s = self._requests.hit(limit, client, cost=pictures)
        if wait_s:
            many = ", and each picture counts" if pictures > 1 else ""
            raise TooManyRequests(f"The limit is {limit}{many}. Try again in {wait_s} s.", retry_after_s=wait_s)


def _digest(key: str) -> bytes:
    """Hash a key, so that keys of all lengths compare in the same time."""
    return hashlib.sha256(key.encode()).digest()
