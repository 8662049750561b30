"""The environment, read once; and what pyproject.toml says of this service.

Every setting is in ``.env.example`` and in the README's table, as a test checks.
"""

import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.errors import OwnerError
# only: in-process
from service.threads import available_cpus
# end

_PYPROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
PROJECT: dict[str, Any] = _PYPROJECT["project"]
TITLE: str = _PYPROJECT["tool"]["service"]["title"]
BACKEND: str = _PYPROJECT["tool"]["service"]["backend"]
"""What the model is made with."""

# only: predict
HTTP_THREADS = 64
REQUEST_TIMEOUT_SECONDS = 10
SHUTDOWN_SECONDS = 20
# end
# only: text-generation
MAX_CONTEXT_TOKENS = 2048
HTTP_THREADS = 192  # a text holds one while it is generated or waits
REQUEST_TIMEOUT_SECONDS = 60
SHUTDOWN_SECONDS = 65
# end
# only: image-classification
MAX_BATCH_SIZE = 8
MAX_PIXELS = 20_000_000
MAX_REQUEST_PIXELS = 100_000_000
# end
# only: encoder
MAX_BATCH_SIZE = 32
# end
# only: text
MAX_TEXT_CHARACTERS = 20_000
# end
# only: text-generation+in-process
MAX_RUNNING_SEQUENCES = 16
# end
# only: text-generation+model-server
MAX_RUNNING_SEQUENCES = 64
# end
# only: pytorch+model-server
MODEL_SERVER_URL = "http://127.0.0.1:8080"
MODEL_SERVER_SCHEMES = "https?"
# end
# only: tensorflow+model-server
MODEL_SERVER_URL = "grpc://127.0.0.1:8500"
MODEL_SERVER_SCHEMES = "(grpc|https?)"
# end


class Settings(BaseSettings):
    """Everything that can be set from outside; the defaults work on a laptop."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        protected_namespaces=(),
    )

    model_dir: Path = Path("models/default")
    """Folder with one folder per version."""
    model_version: int | None = Field(default=None, ge=1)
    """When ``None``, the one that ``make use`` chose, or the newest."""
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    http_threads: int = Field(default=HTTP_THREADS, ge=1)
    """Threads that handle requests, one each; a request that finds none is refused."""
    request_timeout_seconds: float = Field(default=REQUEST_TIMEOUT_SECONDS, gt=0)
    max_connections: int = Field(default=4096, ge=1)
    """Most that are open at a time; then one that waits for nothing gives way to a new one."""
    keep_alive_seconds: int = Field(default=75, ge=1)
    """A connection without a request is closed then; longer than a load balancer keeps it."""
    transfer_seconds: float = Field(default=20, gt=0)
    """Longest time for a request's head, for its body, and until more of an answer is read."""
    max_body_bytes: int = Field(default=10 * 1024 * 1024, ge=1)
    max_inputs: int = Field(default=32, ge=1)
    drain_seconds: float = Field(default=5, ge=0)
    """Time from SIGTERM to the closing of the socket, in which /readyz says no."""
    shutdown_seconds: int = Field(default=SHUTDOWN_SECONDS, ge=1)
    """Time for requests in flight to finish then; longer than a request may take."""
    api_keys_file: Path | None = None
    """Who may call, a line each; read again when it changes."""
    api_keys: str = ""
    """The same lines, with ``;`` between them."""
    require_api_keys: bool | None = None
    """Without a key, do not start."""
    cors_origins: str = Field(
        default="", pattern=r"^(\*|https?://[^/,\s]+( *, *https?://[^/,\s]+)*)?$"
    )
    """Whose pages may call from a browser; ``*`` is everybody's."""
    trusted_proxies: str = ""
    """Addresses and networks that are believed what they say of their callers."""
    serve_page: bool = True
    serve_docs: bool = True
    serve_metrics: bool = True
    metrics_port: int | None = Field(default=None, ge=1, le=65535)
    """Of ``/metrics`` and probes alone, without a key; the other port then has no ``/metrics``."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] | None = None
    """When ``None``, ``console`` on a terminal and ``json`` elsewhere."""
    # only: image-classification
    max_pixels: int = Field(default=MAX_PIXELS, ge=1)
    """Largest image, in pixels."""
    max_request_pixels: int = Field(default=MAX_REQUEST_PIXELS, ge=1)
    """Most pixels of all images in one request."""
    # end
    # only: text
    max_text_characters: int = Field(default=MAX_TEXT_CHARACTERS, ge=1)
    """Longest text, in characters."""
    # end
    # only: encoder
    long_text: Literal["truncate", "refuse"] = "truncate"
    """What becomes of a text with more tokens than the model reads."""
    # end
    # only: labels
    top_k: int = Field(default=10, ge=1)
    """Labels in an answer, most likely first."""
    # end
    # only: text-generation
    max_new_tokens: int = Field(default=512, ge=1)
    """Most tokens of one answer; also where a caller does not say."""
    max_context_tokens: int = Field(default=MAX_CONTEXT_TOKENS, ge=2)
    """Most tokens of a prompt and its answer, where the model has no fewer."""
    max_running_sequences: int = Field(default=MAX_RUNNING_SEQUENCES, ge=1)
    """Most texts that are generated at a time."""
    # end
    # only: predict
    max_preprocessing: int = Field(default=2, ge=1)
    """Most inputs that are preprocessed at a time, which bounds CPU and memory."""
    max_batch_size: int = Field(default=MAX_BATCH_SIZE, ge=1)
    """Most inputs in one run of the model; a model server's own limit must not be lower."""
    # end
    # only: in-process
    model_format: str | None = None
    """The manifest's first when ``None``."""
    device: Literal["cpu", "cuda"] | None = None
    """A GPU where there is one when ``None``; one that is named and not there is refused."""
    model_threads: int = Field(default=0, ge=0)
    """Threads for one inference; 0 takes the CPUs that this process may use."""
    max_queued_inputs: int = Field(default=128, ge=1)
    stuck_seconds: float = Field(default=60, gt=0)
    """A run of the model longer than this makes /livez fail."""
    # end
    # only: text-generation+in-process
    prefill_tokens: int = Field(default=256, ge=1)
    """Most tokens of new prompts that are read between two tokens of the running sequences."""
    # end
    # only: model-server
    model_server_url: str = Field(
        default=MODEL_SERVER_URL, pattern=rf"^{MODEL_SERVER_SCHEMES}://[^/]+/?$"
    )
    """Its inference address."""
    circuit_failures: int = Field(default=5, ge=1)
    """Failed calls in a row until the model server is left alone for a while."""
    # end
    # only: pytorch+model-server
    model_server_key_file: Path = Path("build/model-server/key_file.json")
    """Where it writes its tokens."""
    # end

    @field_validator("trusted_proxies")
    @classmethod
    def _names_networks(cls, text: str) -> str:
        for each in listed(text):
            ip_network(each)
        return text

    @property
    def numeric_threads(self) -> int:
        # only: in-process
        return self.model_threads or available_cpus()
        # end
        # only: model-server
        return 1
        # end


def listed(text: str) -> list[str]:
    """What stands in *text* between commas."""
    return [each.strip() for each in text.split(",") if each.strip()]


def read_settings() -> Settings:
    """The settings; ``OwnerError`` where a value is not accepted."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper()
        raise OwnerError(f"{name} is {first['input']!r}: {first['msg']}.") from None
