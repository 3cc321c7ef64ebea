"""Who may use the service, and how often: API keys and a rate limit, each only where it is set."""

import hashlib
import hmac

import redis
from limits import RateLimitItem, RateLimitItemPerMinute, parse_many

from errors import BadRequest, TooManyRequests, Unauthorized
from helpers import split_list
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
        self._keys = [_digest(key) for key in split_list(settings.api_keys.get_secret_value())]
        self._limits: list[RateLimitItem] = parse_many(settings.rate_limit) if settings.rate_limit else []
        self._requests = RequestCounter(settings, connect_impatiently(settings), self._limits)
        impatient = connect(settings, connect_timeout_s=WRONG_KEYS_TIMEOUT_S, socket_timeout_s=WRONG_KEYS_TIMEOUT_S)
        self._wrong_keys = RequestCounter(settings, impatient, [WRONG_KEYS_LIMIT])

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
            ServiceUnavailable: Redis, which counts, is away.
        """
        client = self.authenticate(authorization, address)
        with redis_errors_as_unavailable():
            if not self._requests.hit(client):
                raise self._refusal(client, 1)
        return client

    def count_others(self, client: str, pictures: int) -> None:
        """Count all pictures of a request but the first, which `check` has counted.

        Args:
            client: from `check`.
            pictures: of the request, with the first.

        Raises:
            BadRequest: RATE_LIMIT never lets so many pass at once.
            TooManyRequests: this client would exceed RATE_LIMIT with so many; then not even the first counts.
            ServiceUnavailable: Redis, which counts, is away.
        """
        for limit in self._limits:
            if pictures > limit.amount:
                detail = f"The request has {pictures} pictures, and each counts; the limit is {limit}. Send fewer."
                raise BadRequest(detail)
        with redis_errors_as_unavailable():
            if not self._requests.hit(client, cost=pictures - 1):
                self._requests.give_back(client)
                raise self._refusal(client, pictures)

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
        names = ("wrong_key", client)
        try:
            wait_s = 0 if self._wrong_keys.hit(*names) else self._wrong_keys.wait(*names).seconds
        except redis.RedisError as error:
            log("redis_unavailable", level="warning", error=error)
            return
        if wait_s:
            detail = f"Too many wrong API keys came from this address. Try again in {wait_s} s."
            raise TooManyRequests(detail, retry_after_s=wait_s)
        log("api_key_wrong", level="warning", client=client)

    def _refusal(self, client: str, pictures: int) -> TooManyRequests:
        wait_s, limit = self._requests.wait(client, cost=pictures)
        many = ", and each picture counts" if pictures > 1 else ""
        return TooManyRequests(f"The limit is {limit}{many}. Try again in {wait_s} s.", retry_after_s=wait_s)


def _digest(key: str) -> bytes:
    """Hash a key, so that keys of all lengths compare in the same time."""
    return hashlib.sha256(key.encode()).digest()
