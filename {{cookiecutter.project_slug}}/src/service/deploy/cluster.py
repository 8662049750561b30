"""A Kubernetes cluster: the one, and the namespace, that ``kubectl`` talks to.

What runs is read from the cluster itself: ``kubectl apply`` keeps with each object what it was
applied as. What ran before the last deployment is kept in a ConfigMap.
"""

import json
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.deploy.commands import DeployError, run, say, show
from service.deploy.images import first_image, with_image
from service.deploy.smoke_inside import ask_at, ask_inside

Object = dict[str, Any]
"""An object of Kubernetes, as its API has it."""

BUILD = Path("build/deploy")
MEMORY = "service-previous"
"""The ConfigMap with the release that ran before."""
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_PART_OF = "app.kubernetes.io/part-of"


@dataclass(frozen=True)
class Manifests:
    """A release: what is applied, and the image that it is known by."""

    image: str
    text: str

    def __str__(self) -> str:
        return self.image


class Cluster(ABC):
    """The service as a folder of manifests has it.

    Args:
        project: whose service it is; a namespace holds one.
        folder: a kustomization, in which an image is named ``service``.
        url: where it is asked; when empty, inside of a pod.
    """

    kind: str
    """What stands for the whole service among the objects."""
    selector: str
    """The label that the service's pods have."""
    container: str
    """The one in a pod that is asked."""

    def __init__(self, project: str, folder: Path, url: str) -> None:
        self.project = project
        self.folder = folder
        self.url = url
        self._started: tuple[str, set[str]] | None = None

    @abstractmethod
    def wait(self, release: Manifests) -> None:
        """Return when *release* has taken over."""

    def made_of(self, image: str) -> Manifests:
        """The folder's manifests, with *image* in them.

        They are rendered from a kustomization in ``build/``: no file of the repository is changed.
        """
        names = set(re.findall(r"^ +(?:- )?image: (\S+)$", kustomize(self.folder), re.MULTILINE))
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [f"../../{self.folder}"],
            "labels": [{"pairs": {_PART_OF: self.project}}],
            "images": with_image(names, image),
        }
        BUILD.mkdir(parents=True, exist_ok=True)
        (BUILD / "kustomization.yaml").write_text(json.dumps(kustomization, indent=2))
        return Manifests(image, kustomize(BUILD))

    def running(self) -> Manifests | None:
        """What the cluster runs, of what the folder's manifests name."""
        live = self._live(kustomize(self.folder))
        service = next((each for each in live if each["kind"] == self.kind), None)
        if service is None:
            return None
        owner = service["metadata"].get("labels", {}).get(_PART_OF, self.project)
        if owner != self.project:
            raise DeployError(
                f"This namespace runs the service of {owner}, and holds only one. Choose "
                "another: kubectl config set-context --current --namespace=..."
            )
        applied = [each["metadata"].get("annotations", {}).get(_APPLIED) for each in live]
        return _of_objects([json.loads(each) for each in applied if each is not None])

    def previous(self) -> Manifests | None:
        """What ran before the last deployment."""
        shown = ("--ignore-not-found", "--output=jsonpath={.data.release}")
        text = run("kubectl", "get", "configmap", MEMORY, *shown)
        return _of_objects(json.loads(text)) if text else None

    def start(self, release: Manifests) -> None:
        """Apply *release*, and wait until it has taken over."""
        if self._started is None:
            self._started = (release.text, self._names(release.text))
        say(run("kubectl", "apply", "--filename=-", given=release.text.encode()).strip())
        self.wait(release)

    def ask(self, release: Manifests) -> None:
        """Ask at the URL, or inside of the newest pod that is ready."""
        if self.url:
            ask_at(self.url)
            return
        text = run("kubectl", "get", "pods", f"--selector={self.selector}", "--output=json")
        pods = [
            (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"])
            for pod in json.loads(text)["items"]
            if "deletionTimestamp" not in pod["metadata"] and is_true(pod, "Ready")
        ]
        if not pods:
            raise DeployError(f"No pod with {release} is ready.")
        command = ("kubectl", "exec", "--stdin", max(pods)[1], f"--container={self.container}")
        ask_inside(*command, "--")

    def explain(self) -> None:
        """Show the pods, what the cluster warns of, and the ends of their logs."""
        show("kubectl", "get", "pods", f"--selector={self.selector}", "--output=wide")
        warnings = ("--field-selector=type=Warning,involvedObject.kind=Pod", "--no-headers")
        show("kubectl", "get", "events", *warnings, "--sort-by=.lastTimestamp")
        all_logs = ("--all-containers", "--prefix", "--tail=30", "--ignore-errors")
        show("kubectl", "logs", f"--selector={self.selector}", *all_logs)

    def remove(self) -> None:
        """Delete what the first release that was started brought to the cluster."""
        if self._started is not None:
            text, there = self._started
            brought = sorted(self._names(text) - there)
            if brought:
                say(run("kubectl", "delete", "--ignore-not-found", *brought).strip())

    def forget(self) -> None:
        """Remove what :meth:`remember` wrote."""
        run("kubectl", "delete", "configmap", MEMORY, "--ignore-not-found")

    def remember(self, release: Manifests) -> None:
        """Keep *release* as the previous one, unless it is what runs."""
        if release == self.running():
            return
        memory = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": MEMORY, "labels": {_PART_OF: self.project}},
            "data": {"release": json.dumps(json.loads(release.text)["items"])},
        }
        # Server-side: the other way would keep a second copy of it with it.
        words = ("--server-side", "--force-conflicts", "--filename=-")
        run("kubectl", "apply", *words, given=json.dumps(memory).encode())

    def _names(self, manifests: str) -> set[str]:
        """The objects of *manifests* that are there, as ``kind/name``."""
        words = ("--ignore-not-found", "--output=name", "--filename=-")
        return set(run("kubectl", "get", *words, given=manifests.encode()).split())

    def _live(self, manifests: str) -> list[Object]:
        """The objects of *manifests* that are there."""
        words = ("--ignore-not-found", "--output=json", "--filename=-")
        text = run("kubectl", "get", *words, given=manifests.encode())
        found = json.loads(text) if text.strip() else {"items": []}
        items: list[Object] = found.get("items", [found])
        return items


def kustomize(folder: Path) -> str:
    """The manifests that the kustomization in *folder* gives, as YAML."""
    return run("kubectl", "kustomize", str(folder))


def is_true(found: Object, condition: str) -> bool:
    """Whether the object's status says that *condition* holds."""
    conditions = found.get("status", {}).get("conditions", [])
    return any(each["type"] == condition and each["status"] == "True" for each in conditions)


def _of_objects(found: list[Object]) -> Manifests:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": found})
    return Manifests(first_image(found), text)
