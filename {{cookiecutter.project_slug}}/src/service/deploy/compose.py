"""One Docker host, with compose. ``DOCKER_HOST`` or the Docker context say which; ssh:// works too.

A release is remembered there, by tags of its images: ``<project>:before`` for those that run while
others are tried, ``<project>:previous`` for those that ran before the last deployment.
"""

import json
from dataclasses import dataclass

from service.deploy.commands import run, say, show, succeeds
from service.deploy.smoke_inside import ask_at, ask_inside

WAIT_SECONDS = 600


@dataclass(frozen=True)
class Images:
    """A release: the images that ``compose.yaml`` names with ``IMAGE`` set to *image*."""

    image: str
    is_new: bool = False

    def __str__(self) -> str:
        return self.image


class Compose:
    """The service as ``compose.yaml`` has it.

    One container is replaced by the next, so for as long as a start takes nobody answers.

    Args:
        project: what compose calls it.
        url: where it is asked; when empty, inside of its container.
    """

    def __init__(self, project: str, url: str) -> None:
        self.project = project
        self.url = url
        self._before = f"{project}:before"
        self._previous = f"{project}:previous"
        self._is_first = False

    def made_of(self, image: str) -> Images:
        """A new release with *image*; nothing is pulled yet."""
        return Images(image, is_new=True)

    def running(self) -> Images | None:
        """What runs now, tagged so that it is not lost; nothing where a container is missing."""
        found, names = self._running_ids(), self._names(self._before)
        self._is_first = not found.keys() >= names.keys()
        if self._is_first:
            return None
        for service, name in names.items():
            run("docker", "tag", found[service], name)
        container = self._compose("ps", "--quiet", "service").strip()
        told = run("docker", "inspect", "--format={{.Config.Image}}", container).strip()
        return Images(self._usual_name(self._before, told))

    def previous(self) -> Images | None:
        """What ran before, unless it is what runs."""
        kept = self._ids(self._previous)
        if not kept or kept == self._running_ids():
            return None
        return Images(self._usual_name(self._previous))

    def start(self, release: Images) -> None:
        """Pull what is new, start it, and wait until every container is healthy."""
        if release.is_new and "/" in release.image:  # without one, no registry could have it
            say(f"Pulling {release.image}.")
            self._compose("pull", "--quiet", image=release.image)
        wait = ("--wait", "--wait-timeout", str(WAIT_SECONDS))
        self._compose("up", "--detach", "--no-build", *wait, image=release.image)

    def ask(self, release: Images) -> None:
        """Ask at the URL, or in the container."""
        if self.url:
            ask_at(self.url)
            return
        container = self._compose("ps", "--quiet", "service", image=release.image).strip()
        ask_inside("docker", "exec", "--interactive", container)

    def explain(self) -> None:
        """Show the containers and the ends of their logs."""
        show(*self._words("ps", "--all"))
        show(*self._words("logs", "--no-color", "--tail", "50"))

    def remove(self) -> None:
        """Stop what nothing ran before."""
        if self._is_first:
            self._compose("down")

    def remember(self, _release: Images) -> None:
        """Tag what ran as the previous release, unless it is what runs."""
        if self._ids(self._before) == self._running_ids():
            return
        before = self._names(self._before)
        for service, name in self._names(self._previous).items():
            run("docker", "tag", before[service], name)
            run("docker", "rmi", before[service])  # the name alone: the image has another now

    def forget(self) -> None:
        """Nothing is to be done: what runs is never called the previous release."""

    def _running_ids(self) -> dict[str, str]:
        """For each service that runs, the id of its image."""
        containers = self._compose("ps", "--quiet", "--status", "running").split()
        if not containers:
            return {}
        shown = '{{index .Config.Labels "com.docker.compose.service"}} {{.Image}}'
        lines = run("docker", "inspect", f"--format={shown}", *containers).split()
        return dict(zip(lines[::2], lines[1::2], strict=True))

    def _names(self, image: str) -> dict[str, str]:
        """For each service, the name of its image, where ``IMAGE`` is *image*."""
        config = json.loads(self._compose("config", "--format", "json", image=image))
        return {name: service["image"] for name, service in config["services"].items()}

    def _ids(self, image: str) -> dict[str, str]:
        """For each service, the id of its image, where ``IMAGE`` is *image*; all, or none."""
        names = self._names(image)
        if not all(succeeds("docker", "image", "inspect", name) for name in names.values()):
            return {}
        shown = "--format={{.Id}}"
        return {
            service: run("docker", "image", "inspect", shown, name).strip()
            for service, name in names.items()
        }

    def _usual_name(self, kept: str, *told: str) -> str:
        """The name by which people know the images tagged *kept*, if it still is theirs."""
        tags = run("docker", "image", "inspect", '--format={{join .RepoTags " "}}', kept).split()
        others = [tag for tag in (*told, *tags) if tag not in {self._before, self._previous}]
        ids = self._ids(kept)
        return next((tag for tag in others if self._ids(tag) == ids), kept)

    def _words(self, *words: str) -> tuple[str, ...]:
        return ("docker", "compose", "--project-name", self.project, *words)

    def _compose(self, *words: str, image: str = "") -> str:
        return run(*self._words(*words), environ={"IMAGE": image} if image else None)
