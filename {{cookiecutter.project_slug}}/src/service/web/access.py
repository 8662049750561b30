"""Who may call: API keys, what each may do, and how much of it.

A line of ``API_KEYS_FILE`` is a name, the SHA-256 of a key, and what is not as by default:

    crm 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b requests_per_minute=600

``python -m service.web.access NAME`` makes a key and its line.
"""

import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from hmac import compare_digest
from ipaddress import ip_address
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from service.errors import Forbidden, OwnerError, TooManyRequests, Unauthorized, first_fault
from service.logs import log
from service.settings import Settings

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

KEY = "service.key"
"""Key of the API key's name in the WSGI environment."""
TOKENS = "service.tokens"
"""Key of a function there that gives how many tokens of a prompt and of its text were used."""

Headers = list[tuple[bytes, bytes]]

OPEN = re.compile(r"/(livez|readyz|docs|openapi\.json|static/[^/]+)?")
"""What everybody may GET: probes and the pages, which have nothing of the model."""
_LOOK_SECONDS = 1.0
"""Between two looks at whether the file has changed."""
_LINE = "NAME SHA256 [scopes=predict,metrics] [requests_per_minute=N] [concurrent=N]"


class Key(BaseModel, frozen=True, extra="forbid"):
    """An API key, without the key itself."""

    name: str = Field(pattern=r"^[\w.-]{1,64}$")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    scopes: frozenset[Literal["predict", "metrics"]] = frozenset({"predict"})
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    concurrent: int | None = Field(default=None, ge=1)
    """Most requests at a time."""


class _Quota:
    """So much a minute: what is not used is there for later, up to one minute's."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._left = float(per_minute)
        self._at = time.monotonic()

    def spend(self, amount: float) -> None:
        """Take *amount*, more than is left too: then it is owed."""
        now = time.monotonic()
        gained = (now - self._at) * self._per_minute / 60
        self._left = min(self._left + gained, self._per_minute) - amount
        self._at = now

    def seconds_until(self, amount: float) -> int:
        """Until *amount* is there."""
        self.spend(0)
        return max(0, ceil((amount - self._left) * 60 / self._per_minute))

    def headers(self, name: str) -> Headers:
        """The fields of draft-ietf-httpapi-ratelimit-headers-10."""
        full = self.seconds_until(self._per_minute)
        return [
            (b"ratelimit-policy", f'"{name}";q={self._per_minute};w=60'.encode()),
            (b"ratelimit", f'"{name}";r={max(0, int(self._left))};t={full}'.encode()),
        ]


class _Use:
    """What the requests with *key* use; for the event loop."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.running = 0
        wanted = {"requests": key.requests_per_minute, "tokens": key.tokens_per_minute}
        self.quotas = {name: _Quota(most) for name, most in wanted.items() if most}

    def begin(self) -> None:
        """Count a request; ``TooManyRequests`` where it is one too many."""
        most = self.key.concurrent
        if most and self.running >= most:
            raise TooManyRequests(
                f"{self.running} requests with this API key are under way; {most} may be.",
                retry_after_seconds=1,
            )
        for name, quota in self.quotas.items():
            if seconds := quota.seconds_until(1):
                raise TooManyRequests(
                    f"The {name} per minute of this API key are used up.",
                    retry_after_seconds=seconds,
                )
        if "requests" in self.quotas:
            self.quotas["requests"].spend(1)
        self.running += 1

    def end(self, tokens: int) -> None:
        self.running -= 1
        if "tokens" in self.quotas:
            self.quotas["tokens"].spend(tokens)


class Access:
    """The keys, and who is let in; without any key, everybody.

    Raises:
        OwnerError: a line of the keys is wrong, or keys are required and there is none.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._written: tuple[int, ...] = ()  # which file it was: a mounted secret is replaced
        self._looked = time.monotonic()
        self._uses: list[_Use] = []
        self._read()
        if self._uses:
            return
        if settings.require_api_keys:
            raise OwnerError(
                "REQUIRE_API_KEYS is on, and there is no API key. Run "
                '"make key NAME=..." and put the line that it prints into API_KEYS_FILE.'
            )
        if not _is_loopback(settings.host):
            who = "whoever reaches this address can use the model: run make key NAME=..."
            log.warning("no_api_keys", host=settings.host, meaning=who)

    @contextmanager
    def admit(self, environ: "WSGIEnvironment", headers: Headers) -> Iterator[None]:
        """Let a request in until it ends; *headers* gets those of its answer.

        Raises:
            Unauthorized: it has no key, or none that is known.
            Forbidden: its key is not for this route.
            TooManyRequests: its key has no more requests or tokens for now.
        """
        self._look()
        path = environ["PATH_INFO"]
        is_open = OPEN.fullmatch(path) and environ["REQUEST_METHOD"] in {"GET", "HEAD"}
        if is_open or not self._uses:
            return (yield)
        use = self._use_of(environ)
        environ[KEY] = use.key.name
        scope: Literal["predict", "metrics"] = "metrics" if path == "/metrics" else "predict"
        if scope not in use.key.scopes:
            raise Forbidden(scope)
        try:
            use.begin()
        finally:
            for name, quota in use.quotas.items():
                headers += quota.headers(name)
        try:
            yield
        finally:
            count: Callable[[], tuple[int, int]] | None = environ.get(TOKENS)
            use.end(sum(count()) if count else 0)

    def _use_of(self, environ: "WSGIEnvironment") -> _Use:
        kind, _, given = environ.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        if kind.lower() != "bearer":
            given = environ.get("HTTP_X_API_KEY", "")
        if not given.strip():
            raise Unauthorized("There is no API key.")
        digest = sha256(given.strip().encode("latin-1")).hexdigest()
        # All are compared, so that the time does not tell which it is.
        found = [use for use in self._uses if compare_digest(use.key.sha256, digest)]
        if not found:
            raise Unauthorized("The API key is not known.")
        return found[0]

    def _look(self) -> None:
        """Read the file again where it has changed; keys that cannot be read change nothing."""
        now = time.monotonic()
        path = self._settings.api_keys_file
        if path is None or now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        try:
            if self._read():
                log.info("api_keys_read", names=[use.key.name for use in self._uses])
        except OwnerError as error:
            log.error("cannot_read_api_keys", reason=str(error))

    def _read(self) -> bool:
        """Take the keys as they are written now; whether they have changed."""
        keys = parse(self._settings.api_keys, "API_KEYS")
        path = self._settings.api_keys_file
        if path is not None:
            try:
                found = path.stat()
                written = (found.st_ino, found.st_size, found.st_mtime_ns)
                if written == self._written:
                    return False
                self._written = written
                of_file = parse(path.read_text("utf-8"), str(path))
            except (OSError, UnicodeDecodeError) as error:
                self._written = ()
                raise OwnerError(f'API_KEYS_FILE is "{path}": {error}.') from None
            if not of_file:
                raise OwnerError(f'API_KEYS_FILE is "{path}", which has no key. A line is {_LINE}.')
            keys += of_file
        if len({key.name for key in keys}) < len(keys):
            raise OwnerError("Two API keys have the same name; each needs its own.")
        known = {use.key: use for use in self._uses}  # with what they have used
        self._uses = [known.get(key) or _Use(key) for key in keys]
        return True


def parse(text: str, source: str) -> list[Key]:
    """The keys in *text*, a line each, or with ``;`` between them; ``OwnerError`` says where not.

    What is wrong is not repeated: it may be a key.
    """
    keys = []
    for number, line in enumerate(re.split("[\n;]", text), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            facts: dict[str, Any] = dict(each.split("=") for each in words[2:])
            if "scopes" in facts:
                facts["scopes"] = facts["scopes"].split(",")
            keys.append(Key(name=words[0], sha256="".join(words[1:2]), **facts))
        except (TypeError, ValueError) as error:
            fault = first_fault(error) if isinstance(error, ValidationError) else "no NAME=VALUE"
            raise OwnerError(f"{source}, line {number}: {fault}. A line is {_LINE}.") from None
    return keys


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def main() -> None:
    """Make a key for the name, and the facts, in the command line: shown once, and its line."""
    key = secrets.token_urlsafe(32)
    name, *facts = " ".join(sys.argv[1:]).split() or [""]
    line = " ".join([name, sha256(key.encode()).hexdigest(), *facts])
    try:
        parse(line, "NAME")
    except OwnerError as error:
        sys.exit(f"error: {error}")
    sys.stderr.write(f"The key, which is not shown again: {key}\nIts line for API_KEYS_FILE:\n")
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
