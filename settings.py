"""All settings, typed, from the environment and the file `.env`; docs/settings.md explains each one."""

import difflib
import importlib.util
import re
import socket
import sys
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from helpers import Crop, ImageShape, split_list
from keras_networks import KERAS_NETWORKS, PREFIX, keras_network
from project import PROJECT_DIR, reading_env_file
from redis_url import check_redis_url

DAY_S = 24 * 3600
# Clocks and time-outs of the system overflow at numbers that are much larger than a day.
Seconds = Annotated[float, Field(gt=0, le=DAY_S, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


def _number(value: object) -> object:
    """Return text as the whole number in it, if it is one: a Literal of numbers takes no text."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


Channels = Annotated[Literal[1, 3], BeforeValidator(_number)]

# What MODEL may be besides a name of Keras: names, and a file's ending. For those of the old format, workers say how to
# convert it.
SHIPPED = ("auto", "resnet50", "efficientnet_lite0")
NETWORK_FILES = (".keras", ".h5", ".hdf5")
# Width and height for which most ImageNet networks were trained.
IMAGE_SIZE = 224
# RFC 6454, section 7; browsers write hosts in lower case.
ORIGIN = r"\*|[a-z][a-z0-9+.-]*://[^/?#\sA-Z]+"
# What Werkzeug may find equal to a `Host`: it ignores the port, and converts what is not ASCII.
LABEL = r"(?:[^\W_A-Z]|-)+"
HOST = rf"\.?{LABEL}(?:\.{LABEL})*\.?(?::\d+)?"


class Settings(BaseSettings):
    """Every setting with its default; its name in upper case is the environment variable."""

    # "forbid" is for the names in `.env`; others in the environment are none of ours.
    model_config = SettingsConfigDict(env_file=PROJECT_DIR / ".env", env_ignore_empty=True, extra="forbid", frozen=True)

    # A secret, since the URL may hold a password.
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    # Of the Sentinels; those of the servers are in the URL.
    sentinel_user: str = ""
    sentinel_password: SecretStr = SecretStr("")
    key_prefix: str = ""
    image_queue: str = "image_queue"

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 5000
    web_processes: Count = 2
    web_threads: Count = 512

    model: str = "auto"
    preprocess: Literal["caffe", "tf", "torch", "unit", "none"] | None = None
    output: Literal["probabilities", "logits", "sigmoid"] = "probabilities"
    labels: Literal["imagenet"] | Path | None = None
    top_classes: Literal["all"] | Count = 5
    engine: Literal["auto", "tensorflow", "openvino"] = "auto"
    precision: Literal["auto", "float32", "bfloat16", "int8"] = "auto"
    calibration_dir: Path | None = None
    model_cache_dir: Path = Path("~/.cache/picture-classifier")
    download_timeout_s: Seconds = 300

    image_width: Count | None = None
    image_height: Count | None = None
    image_chans: Channels = 3
    crop_mode: Literal["center", "squash"] | None = None
    # As timm evaluates most ImageNet networks, and as the shipped ones were trained.
    crop_pct: Annotated[float, Field(gt=0, le=1)] = 0.875

    batch_size: Literal["auto"] | Count = "auto"
    # At most half of the time after which a web server takes an unclaimed job for lost.
    batch_wait_ms: Annotated[float, Field(ge=0, le=1000)] = 0

    request_timeout_s: Seconds = 30
    poll_interval_s: Seconds = 1
    result_ttl_s: Annotated[int, Field(ge=1, le=DAY_S)] = 60
    # There is a heartbeat a second, and the set of workers expires after a minute.
    heartbeat_ttl_s: Annotated[float, Field(ge=2, le=60)] = 3
    worker_grace_s: Annotated[float, Field(ge=2, le=60)] = 10
    # Together with a heartbeat's life and two looks this must be less than a request's time, or it would save none.
    stall_timeout_s: Seconds = 10
    max_attempts: Annotated[int, Field(ge=1, le=1000)] = 3
    queue_capacity: Count = 512

    # How long a client may take to send a request's head, and then its body.
    client_timeout_s: Seconds = 20
    max_upload_bytes: Count = 10 * 1024 * 1024
    # Of one request; a form has at most a thousand fields.
    max_pictures: Annotated[int, Field(ge=1, le=1000)] = 32
    # Of all uploads that one process is receiving or answering; one request may take a quarter.
    max_pending_bytes: Count = 256 * 1024 * 1024
    max_image_pixels: Count = 50_000_000
    # Processor time: twice what the costliest pictures within the limits take, since not every machine is as fast.
    decode_timeout_s: Seconds = 5
    # The longest side of a JPEG: ITU-T T.81, B.2.2.
    max_image_side: Count = 65_535

    # 0 disables the cache; at most a year.
    cache_ttl_s: Annotated[int, Field(ge=0, le=365 * DAY_S)] = 0

    # Secrets, separated by commas.
    api_keys: SecretStr = SecretStr("")
    # Sent by the clients.
    api_key: SecretStr = SecretStr("")
    rate_limit: str = ""
    trusted_proxies: Annotated[int, Field(ge=0)] = 0
    # Separated by commas; empty: any.
    trusted_hosts: str = ""
    # Separated by commas; empty: none, `*`: any.
    cors_origins: str = ""

    server_name: str = ""
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    tracing: Literal["off", "otel"] = "off"

    @model_validator(mode="after")
    def check_redis_url(self) -> Self:
        """Refuse an address that no Redis client accepts."""
        try:
            check_redis_url(self.redis_url.get_secret_value())
        except ValueError as error:
            raise ValueError(f"REDIS_URL: {error}") from None
        return self

    @field_validator("model")
    @classmethod
    def check_model(cls, value: str) -> str:
        """Refuse what no worker could serve; whether a file is there, only the worker knows."""
        if value.startswith(PREFIX) and not keras_network(value):
            raise ValueError(f"after {PREFIX} there must be one of {', '.join(KERAS_NETWORKS)}")
        if value not in SHIPPED and not value.startswith(PREFIX) and Path(value).suffix not in NETWORK_FILES:
            raise ValueError(f"must be {', '.join(SHIPPED)}, {PREFIX} and a name, or the path of a .keras file")
        return value

    @field_validator("api_keys")
    @classmethod
    def check_api_keys(cls, value: SecretStr) -> SecretStr:
        """Refuse a list without a key in it, which would admit everybody, and keys that clients cannot send."""
        keys = split_list(value.get_secret_value())
        if value.get_secret_value() and not keys:
            raise ValueError("contains no key")
        if not all(key.isascii() and key.isprintable() for key in keys):
            raise ValueError("may only have printable characters of ASCII, as other ones reach no server unchanged")
        return value

    @field_validator("rate_limit")
    @classmethod
    def check_rate_limit(cls, value: str) -> str:
        """Refuse a limit that the library of that name cannot parse, or that no request is within."""
        if value:
            from limits import parse_many

            try:
                if not all(limit.amount for limit in parse_many(value)):
                    raise ValueError
            except ValueError:
                # From None, since the message quotes the value.
                raise ValueError("must be limits such as 10/second;1000/hour") from None
        return value

    @field_validator("trusted_hosts")
    @classmethod
    def check_trusted_hosts(cls, value: str) -> str:
        """Refuse a list without a host in it, which would trust any, and what no `Host` is equal to."""
        hosts = split_list(value)
        if (value and not hosts) or not all(re.fullmatch(HOST, each) for each in hosts):
            raise ValueError("each must be a name or an IPv4 address, in lower case, or .example.com for all below it")
        return value

    @field_validator("cors_origins")
    @classmethod
    def check_cors_origins(cls, value: str) -> str:
        """Refuse what no browser sends as an origin."""
        if not all(re.fullmatch(ORIGIN, each) for each in split_list(value)):
            raise ValueError("each must be `*` or an origin as https://example.com, in lower case and without a path")
        return value

    @field_validator("server_name")
    @classmethod
    def check_server_name(cls, value: str) -> str:
        """Refuse what would not be one column of the log."""
        if " " in value or not value.isprintable():
            raise ValueError("must not contain spaces or control characters")
        return value

    @field_validator("tracing")
    @classmethod
    def check_tracing(cls, value: str) -> str:
        """Refuse what is not installed."""
        if value == "otel" and not _installed("opentelemetry.exporter.otlp.proto.http"):
            raise ValueError(f"otel needs OpenTelemetry: {install_command('requirements-tracing.txt')}")
        return value

    @property
    def image_shape(self) -> ImageShape:
        """The shape of a picture as the network takes it."""
        named = keras_network(self.model)
        size = named.size if named else IMAGE_SIZE
        return ImageShape(self.image_height or size, self.image_width or size, self.image_chans)

    @property
    def crop(self) -> Crop:
        """How pictures are fitted to that shape: CROP_MODE, by default `center` for ImageNet's networks."""
        mode = self.crop_mode or ("center" if self.model in SHIPPED or keras_network(self.model) else "squash")
        return Crop(mode, self.crop_pct) if mode == "center" else Crop(mode)

    def name_of(self, role: str) -> str:
        """Return SERVER_NAME, or by default this host's name and the role, which is `web` or `worker`.

        A web server's name has its port, which distinguishes it from others of this host.
        """
        number = f"-{self.port}" if role == "web" else ""
        return self.server_name or f"{socket.gethostname()}-{role}{number}"


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # not even its parent is
        return False


def install_command(requirements: str) -> str:
    """Return the command that installs the locked versions of optional packages where this program runs."""
    return f"{sys.prefix}/bin/pip install -r {requirements} -c requirements-dev.lock"


def load_settings() -> Settings:
    """Read the settings; an invalid one ends the program with one line that names it (and never shows its value)."""
    try:
        with reading_env_file(Path(str(Settings.model_config["env_file"]))):
            return Settings()
    except ValidationError as error:
        sys.exit(f"wrong setting: {_explain(error.errors(include_url=False, include_input=False))}")


def _explain(errors: list[ErrorDetails]) -> str:
    error = errors[0]
    name = str(error["loc"][0]).upper() if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        known = [field.upper() for field in Settings.model_fields]
        nearest = difflib.get_close_matches(name, known, n=1)
        suggestion = f"did you mean {nearest[0]}?" if nearest else "docs/settings.md lists them all"
        return f"{name}: there is no such setting, but .env has it; {suggestion}"
    # A setting of several types has an error for each of them.
    messages = [each["msg"].removeprefix("Value error, ") for each in errors if each["loc"][:1] == error["loc"][:1]]
    return (f"{name}: " if name else "") + " or ".join(messages).replace(" or Input should be ", " or ")
