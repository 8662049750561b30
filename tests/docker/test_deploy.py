"""``make deploy`` and ``make rollback``, on a Docker engine and on a cluster, with real images."""

import http.client
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest
import yaml

from bakes import DEFAULT_SLUG, Bake
from containers import first_example, media_type
from matrix import Combination
from service import free_port
from shell import docker, finished, remove_images, run

ROW: Combination = {
    "framework": "flask",
    "backend": "pytorch",
    "task": "image-classification",
    "serving": "in-process",
}
BROKEN = 'CMD ["python", "-c", "raise SystemExit(\'this image is broken\')"]'
WRONG = """\
USER root
RUN mkdir /wrong && touch /wrong/readyz /wrong/livez
USER 10001
WORKDIR /wrong
STOPSIGNAL SIGKILL
CMD ["python", "-m", "http.server", "8000"]
"""
CALLERS = 4
SMALL = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: digit-reader
spec:
  progressDeadlineSeconds: {patience}
  template:
    spec:
      containers:
        - name: service
          resources:
            requests:
              cpu: 100m
              memory: 100Mi
"""
"""What an owner of a small cluster would change; and less patience with what is broken."""
FORMER_NAMES = """\
#!/bin/bash
# For a cluster of before 2021, which knows two APIs by their former names.
case " $* " in
*" --kustomize build/deploy "*)
    words=()
    for word; do
        case $word in
        --kustomize) words+=(--filename=-) ;;
        build/deploy) ;;
        *) words+=("$word") ;;
        esac
    done
    {kubectl} kustomize build/deploy |
        sed -E 's#(apiVersion: )policy/v1$#\\1policy/v1beta1#
                s#(apiVersion: )autoscaling/v2$#\\1autoscaling/v2beta2#' |
        exec {kubectl} "${{words[@]}}" ;;
*) exec {kubectl} "$@" ;;
esac
"""


@dataclass(frozen=True)
class Images:
    """Images of one repository that differ, by what is said of them."""

    repo: Path
    first: str
    second: str
    broken: str
    wrong: str


@pytest.fixture(scope="module")
def images(
    trained: Callable[[Combination], Path], image_of: Callable[[Combination], str]
) -> Iterator[Images]:
    """Two that answer, one that ends at once, and one that says it is ready and is not."""
    repo = trained(ROW)
    name = f"template-test-{uuid.uuid4().hex[:8]}"
    docker("tag", image_of(ROW), f"{name}:1")
    for tag, lines in {"2": "LABEL release=2", "broken": BROKEN, "wrong": WRONG}.items():
        derived = f"FROM {name}:1\n{lines}\n"
        subprocess.run(
            ["docker", "build", "--tag", f"{name}:{tag}", "-"],
            input=derived.encode(),
            capture_output=True,
            check=True,
        )
    yield Images(repo, *(f"{name}:{tag}" for tag in ("1", "2", "broken", "wrong")))
    names = docker("images", "--format={{.Repository}}:{{.Tag}}").split()
    own = [each for each in names if each.startswith((f"{name}:", "digit-reader:"))]
    remove_images(*own)


def id_of(image: str) -> str:
    """What an engine calls *image*, whatever its tags are."""
    return docker("image", "inspect", "--format={{.Id}}", image)


@dataclass
class Owner:
    """Calls ``make`` in a repository, as its owner does.

    Args:
        repo: the repository.
        target: where it is deployed.
        environ: variables beside those of this process.
    """

    repo: Path
    target: str
    environ: dict[str, str]

    def make(self, goal: str, image: str = "") -> tuple[int, str]:
        """Status and words of ``make deploy`` or ``make rollback``."""
        words = [f"TARGET={self.target}", f"PYTHON={sys.executable}", f"IMAGE={image}"]
        return finished("make", goal, *words, cwd=self.repo, environ=self.environ)

    def succeeds(self, goal: str, image: str = "") -> str:
        """What a command says that succeeds."""
        status, said = self.make(goal, image)
        assert status == 0, said
        return said

    def fails(self, goal: str, image: str = "") -> str:
        """What a command says that fails."""
        status, said = self.make(goal, image)
        assert status != 0, said
        return said


@pytest.mark.image
def test_a_docker_host_keeps_what_answers(images: Images) -> None:
    project = f"template-test-{uuid.uuid4().hex[:8]}"
    environ = {"COMPOSE_PROJECT_NAME": project, "PORT": str(free_port())}
    owner = Owner(images.repo, "compose", environ)

    def running() -> str:
        """The id of the image that runs."""
        label = f"label=com.docker.compose.project={project}"
        containers = docker("ps", "--quiet", f"--filter={label}").split()
        return docker("inspect", "--format={{.Image}}", *containers) if containers else ""

    first, second = (id_of(image) for image in (images.first, images.second))

    try:
        said = owner.fails("deploy", images.broken)
        assert "Nothing ran before, so it was removed." in said
        assert "this image is broken" in said
        assert running() == ""
        assert "there is no release to go back to" in owner.fails("rollback")

        owner.succeeds("deploy", images.first)
        assert running() == first
        owner.succeeds("deploy", images.second)
        owner.succeeds("deploy", images.second)  # as when a pipeline is run again
        assert running() == second

        for bad in (images.broken, images.wrong):
            assert "What ran before runs again." in owner.fails("deploy", bad)
            assert running() == second

        owner.succeeds("rollback")
        assert running() == first
        owner.succeeds("rollback")
        assert running() == second
    finally:
        run("docker", "compose", "down", cwd=images.repo, **environ)
        remove_images(*(f"{project}-service:{tag}" for tag in ("before", "previous")))


@pytest.mark.image
def test_an_image_of_a_registry_is_deployed_by_its_digest(images: Images, registry: str) -> None:
    project = f"template-test-{uuid.uuid4().hex[:8]}"
    environ = {"COMPOSE_PROJECT_NAME": project, "PORT": str(free_port())}
    owner = Owner(images.repo, "compose", environ)
    pushed = f"{registry}/me/{project}:1"

    def running() -> str:
        """The name of the image that runs."""
        container = docker("ps", "--quiet", f"--filter=name={project}")
        return docker("inspect", "--format={{.Config.Image}}", container)

    docker("tag", images.first, pushed)
    docker("push", "--quiet", pushed)
    (digest,) = [
        each
        for each in docker("inspect", '--format={{join .RepoDigests " "}}', pushed).split()
        if each.startswith(pushed.removesuffix(":1"))
    ]

    try:
        owner.succeeds("deploy", pushed)
        assert running() == digest
        docker("tag", images.wrong, pushed)
        docker("push", "--quiet", pushed)  # the tag moves
        owner.succeeds("deploy", digest)
        assert running() == digest
        assert ":2: not found" in owner.fails("deploy", f"{registry}/me/{project}:2")
        assert "must end with a tag or a digest" in owner.fails("deploy", f"{registry}/me")
    finally:
        run("docker", "compose", "down", cwd=images.repo, **environ)
        docker("rmi", "--force", pushed, digest)


def test_a_target_or_overlay_that_is_none_is_refused(bake: Bake) -> None:
    repo = bake(**ROW)

    assert 'TARGET is ""; it must be compose, kubernetes' in Owner(repo, "", {}).fails("deploy")
    assert 'TARGET is "heroku"' in Owner(repo, "heroku", {}).fails("rollback")
    tpu = {"OVERLAY": "tpu"}
    assert 'OVERLAY is "tpu"' in Owner(repo, "kubernetes", tpu).fails("deploy", "name:1")
    assert 'OVERLAY is "tpu"' in Owner(repo, "kserve", tpu).fails("deploy", "name:1")


@dataclass
class Callers:
    """Clients of a service behind one address, who ask again and again until told to stop."""

    host: str
    port: int
    route: str
    example: Path
    answered: int = 0
    lost: list[str] = field(default_factory=list)
    enough: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=self._ask) for _ in range(CALLERS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.enough.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        body, headers = self.example.read_bytes(), {"Content-Type": media_type(self.example)}
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        while not self.enough.wait(0.02):
            try:
                connection.request("POST", self.route, body, headers)
                response = connection.getresponse()
                said = response.read()
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(repr(error))
                connection.close()
                continue
            self.answered += 1
            if response.status != http.HTTPStatus.OK:
                self.lost.append(f"{response.status}: {said[:200]!r}")
        connection.close()


@dataclass
class Namespace:
    """A namespace of a real cluster, for one test."""

    environ: dict[str, str]
    name: str

    def kubectl(self, *words: str) -> str:
        """What ``kubectl`` says to *words*."""
        return run("kubectl", *words, cwd=None, **self.environ).strip()

    def deployer(self, account: str) -> dict[str, str]:
        """Variables with which kubectl may do what a service account may, and no more."""
        path = Path(self.environ["KUBECONFIG"])
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        for user in config["users"]:
            user["user"]["as"] = f"system:serviceaccount:{self.name}:{account}"
        limited = path.with_name("deployer")
        limited.write_text(yaml.safe_dump(config))
        return {**self.environ, "KUBECONFIG": str(limited)}


@pytest.fixture
def namespace(tmp_path: Path) -> Iterator[Namespace]:
    """A new namespace of the cluster that TEST_KUBECONFIG names.

    Its node must have the images of this Docker engine, and the addresses of its Services must be
    reached from here.
    """
    told = os.environ.get("TEST_KUBECONFIG")
    if told is None:
        pytest.skip("TEST_KUBECONFIG names no cluster that tests may use, so nothing rolled out")
    name = f"template-test-{uuid.uuid4().hex[:8]}"
    config = yaml.safe_load(Path(told).read_text(encoding="utf-8"))
    for context in config["contexts"]:
        context["context"]["namespace"] = name
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    environ = {"KUBECONFIG": str(tmp_path / "kubeconfig")}
    found = Namespace(environ, name)
    if "policy/v1\n" not in found.kubectl("api-versions") + "\n":
        shim = tmp_path / "bin" / "kubectl"
        shim.parent.mkdir()
        shim.write_text(FORMER_NAMES.format(kubectl=shutil.which("kubectl")))
        shim.chmod(0o755)
        environ["PATH"] = f"{shim.parent}:{os.environ['PATH']}"
    found.kubectl("create", "namespace", name)
    try:
        yield found
    finally:
        found.kubectl("delete", "namespace", name, "--timeout=120s")


def wait_for_replicas(namespace: Namespace, number: int) -> None:
    """Return when so many replicas are available."""
    end = time.monotonic() + 300
    shown = ("get", "deployment", DEFAULT_SLUG, "--output=jsonpath={.status.availableReplicas}")
    while namespace.kubectl(*shown) != str(number):
        assert time.monotonic() < end, namespace.kubectl("get", "pods")
        time.sleep(1)


@pytest.mark.cluster
def test_a_cluster_rolls_out_and_back_under_load_without_losing_a_request(
    images: Images, namespace: Namespace, tmp_path: Path
) -> None:
    repo = Path(shutil.copytree(images.repo, tmp_path / "repo"))
    overlay = repo / "deploy/kubernetes/overlays/cpu"
    with (overlay / "kustomization.yaml").open("a") as file:
        file.write("patches:\n  - path: small.yaml\n")
    namespace.kubectl("apply", "--kustomize", str(repo / "deploy/kubernetes/deployer"))
    owner = Owner(repo, "kubernetes", namespace.deployer(f"{DEFAULT_SLUG}-deployer"))

    def has_patience(seconds: int) -> None:
        (overlay / "small.yaml").write_text(SMALL.format(patience=seconds))

    def running() -> str:
        shown = "--output=jsonpath={.spec.template.spec.containers[0].image}"
        return namespace.kubectl("get", "deployment", DEFAULT_SLUG, shown)

    has_patience(20)
    said = owner.fails("deploy", images.broken)
    assert "Nothing ran before, so it was removed." in said
    assert "this image is broken" in said
    assert namespace.kubectl("get", "deploy,service,pdb,hpa,netpol", "--output=name") == ""

    has_patience(300)
    owner.succeeds("deploy", images.first)
    wait_for_replicas(namespace, 2)
    address = namespace.kubectl(
        "get", "service", DEFAULT_SLUG, "--output=jsonpath={.spec.clusterIP}"
    )
    with Callers(address, 80, *first_example(repo)) as callers:
        time.sleep(2)
        counts = [callers.answered]
        owner.succeeds("deploy", images.second)
        assert running() == images.second
        counts.append(callers.answered)
        owner.succeeds("rollback")
        assert running() == images.first
        counts.append(callers.answered)
        has_patience(20)
        assert "What ran before runs again." in owner.fails("deploy", images.broken)
        assert running() == images.first
        time.sleep(8)  # until the pods of the rollback are gone
        counts.append(callers.answered)

    sys.stdout.write(f"{counts} requests answered\n")
    assert callers.lost == []
    assert counts == sorted(set(counts))
    has_patience(300)
    assert "What ran before runs again." in owner.fails("deploy", images.wrong)
    assert running() == images.first
    owner.succeeds("rollback")  # past what failed
    assert running() == images.second
