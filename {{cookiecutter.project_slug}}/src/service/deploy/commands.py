"""Other programs, run to their end."""

import os
import subprocess
import sys
from collections.abc import Mapping

SHOWN_LINES = 100
"""Of a log or a list, the last ones."""


class DeployError(Exception):
    """A step of a deployment failed; the message says which, and what was said."""


def say(line: str) -> None:
    """Tell the owner, in the order in which things happen."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(*words: str, given: bytes | None = None, environ: Mapping[str, str] | None = None) -> str:
    """What the command *words* writes to its standard output.

    Args:
        words: the program and its arguments.
        given: what it reads from its standard input.
        environ: variables that it has beside those of this process.

    Raises:
        DeployError: there is no such program, or it failed; the message ends with its own words.
    """
    result = _result(*words, given=given, environ=environ)
    if result.returncode != 0:
        told = result.stderr.decode(errors="replace").strip()
        told = told or result.stdout.decode(errors="replace").strip()
        raise DeployError(f"`{' '.join(words[:8])}` failed with {result.returncode}:\n{told}")
    return result.stdout.decode()


def succeeds(*words: str) -> bool:
    """Whether the command *words* ends with 0; nothing of what it writes is shown."""
    return _result(*words).returncode == 0


def show(*words: str) -> None:
    """Let the owner see the end of what the command *words* writes, whether it fails or not."""
    result = _result(*words)
    lines = (result.stdout + result.stderr).decode(errors="replace").strip().splitlines()
    say("\n".join([f"$ {' '.join(words)}", *lines[-SHOWN_LINES:]]))


def _result(
    *words: str, given: bytes | None = None, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(  # noqa: S603  # the words are this package's own
            words,
            input=given if given is not None else b"",
            env={**os.environ, **(environ or {})},
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise DeployError(f'"{words[0]}" is not installed, or not in PATH.') from None
