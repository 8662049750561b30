"""One Docker host, with compose. ``DOCKER_HOST`` or the Docker context say which; ssh:// works too.

Where a release is remembered: in tags of its images, on that host. ``<project>:before`` are those
that run while others are tried, ``<project>:previous`` those that ran before the last deployment.
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
    known_as: str
    is_new: bool = False

    def __str__(self) -> str:
        return self.known_as


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
        self._is_first = False

    def made_of(self, image: str) -> Images:
        """A new release with *image*; nothing is pulled yet."""
        return Images(image, known_as=image, is_new=True)

    def running(self) -> Images | None:
        """What runs now, tagged so that it is not lost; nothing when a container is missing."""
        found = self._containers()
        kept = f"{self.project}:before"
        names = self._names(kept)
        self._is_first = not found.keys() >= names.keys()
        if self._is_first:
            return None
        for service, name in names.items():
            run("docker", "tag", found[service][0], name)
        return Images(kept, known_as=", ".join(found[service][1] for service in names))

    def previous(self) -> Images | None:
        """What ran before, unless it is what runs."""
        image = f"{self.project}:previous"
        names = self._names(image)
        if not all(succeeds("docker", "image", "inspect", name) for name in names.values()):
            return None
        found = self._containers()
        is_running = all(
            service in found and found[service][0] == self._id(name)
            for service, name in names.items()
        )
        return None if is_running else Images(image, known_as=image)

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
        show(*self._words("logs", "--tail", "50"))

    def remove(self) -> None:
        """Stop what nothing ran before."""
        if self._is_first:
            self._compose("down")

    def remember(self, release: Images | None) -> None:
        """Tag the images of *release* as the previous ones; without one, leave the tags alone."""
        if release is None:
            return
        kept = self._names(release.image)
        for service, name in self._names(f"{self.project}:previous").items():
            run("docker", "tag", kept[service], name)
            run("docker", "rmi", kept[service])  # the name alone: the image has another now

    def _containers(self) -> dict[str, tuple[str, str]]:
        """For each service that runs, the id of its image and the name that it was started by."""
        containers = self._compose("ps", "--quiet", "--status", "running").split()
        if not containers:
            return {}
        label = '{{index .Config.Labels "com.docker.compose.service"}}'
        shown = f"{label} {{{{.Image}}}} {{{{.Config.Image}}}}"
        lines = run("docker", "inspect", f"--format={shown}", *containers).splitlines()
        rows = (line.split() for line in lines if line)
        return {service: (image_id, name) for service, image_id, name in rows}

    def _names(self, image: str) -> dict[str, str]:
        """For each service, the name of its image, where ``IMAGE`` is *image*."""
        config = json.loads(self._compose("config", "--format", "json", image=image))
        return {name: service["image"] for name, service in config["services"].items()}

    def _id(self, name: str) -> str:
        return run("docker", "image", "inspect", "--format={{.Id}}", name).strip()

    def _words(self, *words: str) -> tuple[str, ...]:
        return ("docker", "compose", "--project-name", self.project, *words)

    def _compose(self, *words: str, image: str = "") -> str:
        return run(*self._words(*words), environ={"IMAGE": image} if image else None)
