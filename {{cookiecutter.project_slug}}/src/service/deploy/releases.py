"""A deployment, wherever the service runs: start, smoke test, roll back on failure.

Knows nothing of Docker or Kubernetes.
"""

from typing import Generic, Protocol, TypeVar

from service.deploy.commands import DeployError, say

Release = TypeVar("Release")
"""All that a target needs to run one state of the service again; as text it names its image."""


class Target(Protocol, Generic[Release]):
    """Where the service runs. What fails raises :class:`DeployError`."""

    def made_of(self, image: str) -> Release:
        """A new release with *image*."""

    def running(self) -> Release | None:
        """What runs now."""

    def previous(self) -> Release | None:
        """What ran before what runs now."""

    def start(self, release: Release) -> None:
        """Let *release* run in place of what runs; return when it is ready."""

    def ask(self, release: Release) -> None:
        """Run the smoke test against *release*."""

    def explain(self) -> None:
        """Show the logs of a release that failed."""

    def remove(self) -> None:
        """Take away what the last :meth:`start` brought and what was not there before."""

    def remember(self, release: Release) -> None:
        """Let *release*, which ran, be what :meth:`previous` gives, unless it runs again."""

    def forget(self) -> None:
        """Let :meth:`previous` give nothing: it runs."""


def deploy(target: Target[Release], image: str) -> None:
    """Let *image* run at *target*.

    Raises:
        DeployError: it does not; what ran before runs again, or the message says that it does not.
    """
    new, before = target.made_of(image), target.running()
    say(f"{image} is to run. Until now: {before or 'nothing'}.")
    _replace(target, new, before)
    if before is not None:
        target.remember(before)
    say(f"{image} runs, and answers as it must.")


def roll_back(target: Target[Release]) -> None:
    """Let run what ran before the last deployment.

    Raises:
        DeployError: nothing is known to have run before, or it fails now; as :func:`deploy`.
    """
    previous = target.previous()
    if previous is None:
        raise DeployError("There is nothing to go back to: no release is known that ran before.")
    now = target.running()
    say(f"{previous} is to run again. Until now: {now or 'nothing'}.")
    _replace(target, previous, now)
    target.forget()
    say(f"{previous} runs again, and answers as it must.")


def _replace(target: Target[Release], new: Release, before: Release | None) -> None:
    try:
        target.start(new)
        target.ask(new)
    except (DeployError, KeyboardInterrupt) as error:
        reason = str(error) or "it was interrupted"
        say(f"{new} failed: {reason}")
        target.explain()
        raise DeployError(f"{new} does not run: {_put_back(target, before)}\n{reason}") from None


def _put_back(target: Target[Release], before: Release | None) -> str:
    """Undo what was started.

    Returns:
        What runs now, in words.
    """
    try:
        if before is not None:
            target.start(before)
        target.remove()
    except (DeployError, KeyboardInterrupt) as error:
        return f"Rollback to {before or 'nothing'} failed too: {error}"
    if before is None:
        return "nothing ran before, so what was started has been removed."
    return f"what ran before, {before}, runs again."
