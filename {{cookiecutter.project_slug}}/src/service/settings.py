"""The environment, read once.

Every setting is in ``.env.example`` and in the README's table, as a test checks.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.errors import OwnerError
# only: in-process
from service.threads import available_cpus
# end

# only: predict
HTTP_THREADS = 64
REQUEST_TIMEOUT_SECONDS = 10
SHUTDOWN_SECONDS = 20
# end
# only: text-generation
HTTP_THREADS = 192  # a text holds one while it is generated or waits; probes need some as well
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
    """Threads that handle requests. A request that waits for the model holds one."""
    request_timeout_seconds: float = Field(default=REQUEST_TIMEOUT_SECONDS, gt=0)
    max_body_bytes: int = Field(default=10 * 1024 * 1024, ge=1)
    max_inputs: int = Field(default=32, ge=1)
    drain_seconds: float = Field(default=5, ge=0)
    """Time from SIGTERM to the closing of the socket, in which /readyz says no."""
    shutdown_seconds: int = Field(default=SHUTDOWN_SECONDS, ge=1)
    """Time for requests in flight to finish then; longer than a request may take."""
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
    max_context_tokens: int = Field(default=2048, ge=2)
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

    @property
    def numeric_threads(self) -> int:
        """Threads that numeric libraries may use in this process."""
        # only: in-process
        return self.model_threads or available_cpus()
        # end
        # only: model-server
        return 1
        # end


def read_settings() -> Settings:
    """The settings as the environment and ``.env`` have them.

    Raises:
        OwnerError: a value is not accepted.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper()
        raise OwnerError(f"{name} is {first['input']!r}: {first['msg']}.") from None
