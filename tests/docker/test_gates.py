"""What a pipeline asks of an image before it may be run: true images, a registry, signatures.

Signed by a key pair and without a transparency log, which a public one would be; what needs an
identity is cosign's own business.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from containers import started, tagged
from matrix import IMAGED, Combination, name_of, one_per
from runners import cosign
from service import free_port
from shell import docker, images_named, make, refused, remove_images, run

BUILD = {
    "BUILDER_ID": "https://ci.example/me/digits/pipeline",
    "BUILD_URL": "https://ci.example/me/digits/runs/7",
    "BUILD_REPOSITORY": "https://git.example/me/digits",
    "BUILD_COMMIT": "0123456789abcdef0123456789abcdef01234567",
}
pytestmark = pytest.mark.image

IN_PROCESS = next(row for row in IMAGED if row["serving"] == "in-process")
SERVED = one_per("backend", [row for row in IMAGED if row["serving"] == "model-server"])


@dataclass
class Repo:
    """A repository whose image has been built, and how its ``make`` is called."""

    folder: Path
    image: str
    words: list[str]

    def make(self, *words: str, **environ: str) -> str:
        """What ``make`` says when it succeeds."""
        return make(self.folder, *words, *self.words, **environ)

    def refusal(self, *words: str, **environ: str) -> str:
        """What ``make`` says when it fails."""
        return refused("make", *words, *self.words, cwd=self.folder, **environ)

    def report(self, name: str) -> dict[str, Any]:
        """A report that it has written."""
        found: dict[str, Any] = json.loads(
            (self.folder / "build" / "reports" / name).read_text(encoding="utf-8")
        )
        return found


Built = Callable[[Combination], Repo]


@pytest.fixture
def built(
    trained: Callable[[Combination], Path],
    installed: Callable[[Combination], list[str]],
    image_of: Callable[[Combination], str],
    server_words: Callable[[Combination], list[str]],
    registry: str,
) -> Iterator[Built]:
    """A function that gives a repository of a combination, and names of its own for its images."""
    done: list[Repo] = []

    def build(row: Combination) -> Repo:
        image = f"{registry}/template-test/{uuid.uuid4().hex[:12]}:1"
        tagged(row, image_of(row), image)
        words = [*installed(row), *server_words(row), f"IMAGE={image}"]
        done.append(Repo(trained(row), image, words))
        return done[-1]

    yield build
    for repo in done:
        remove_images(*images_named(repo.image.rpartition(":")[0]))


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Words for ``make`` that sign by a key pair."""
    folder = tmp_path_factory.mktemp("keys")
    run(cosign(), "generate-key-pair", cwd=folder, COSIGN_PASSWORD="")
    return [
        f"COSIGN={cosign()}",
        f"COSIGN_KEY={folder / 'cosign.key'}",
        f"COSIGN_PUBLIC_KEY={folder / 'cosign.pub'}",
        "COSIGN_FLAGS=--tlog-upload=false",
        "COSIGN_VERIFY_FLAGS=--insecure-ignore-tlog=true",
    ]


@contextmanager
def worse(repo: Repo) -> Iterator[None]:
    """Let the version that is served have its labels in another order, until the block ends."""
    path = next((repo.folder / "models" / "default").glob("*/manifest.json"))
    before = path.read_text(encoding="utf-8")
    manifest = json.loads(before)
    manifest["labels"] = manifest["labels"][1:] + manifest["labels"][:1]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    yield
    path.write_text(before, encoding="utf-8")


@pytest.mark.parametrize("row", [IN_PROCESS, *SERVED], ids=name_of)
def test_a_candidate_is_compared_with_what_the_registry_has_in_production(
    row: Combination, built: Built, registry: str
) -> None:
    repo = built(row)
    production = f"PRODUCTION={repo.image}"
    is_first = row == IN_PROCESS  # what is decided alike in all rows is decided once

    if is_first:
        elsewhere = f"PRODUCTION={registry}/template-test/nothing:1"
        assert "There is no model in production yet." in repo.make("compare", elsewhere)
    assert "Could not ask the registry" in repo.refusal(
        "compare", f"PRODUCTION=127.0.0.1:{free_port()}/template-test/nothing:1"
    )
    repo.make("push")
    assert "good enough" in repo.make("compare", production)
    found = repo.report("comparison.json")
    assert found["outcome"] == "accepted"
    assert found["production"]["metrics"] == found["candidate"]["metrics"]
    if row["task"] == "text-generation":
        return  # it has no labels that could be confused
    with worse(repo):
        assert "worse than the model in production" in repo.refusal("compare", production)
        assert repo.report("comparison.json")["outcome"] == "refused"
        if is_first:
            repo.make("compare", production, "TOLERANCE=1")


def packages_of(image: str) -> set[str]:
    """Names of the Python packages that an image has, as its own two Pythons see them."""
    code = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    said = [
        docker("run", "--rm", f"--entrypoint={python}", image, "-c", code)
        for python in ("/app/.venv/bin/python", "/usr/local/bin/python")
    ]
    return {re.sub("[-_.]+", "-", name).lower() for name in " ".join(said).split()}


@pytest.mark.parametrize("row", [IN_PROCESS, *SERVED], ids=name_of)
def test_a_bill_of_materials_has_what_the_image_has_and_nothing_else(
    row: Combination, built: Built
) -> None:
    repo = built(row)
    repo.make("sbom")

    found = repo.report("sbom.cdx.json")
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.7")
    purls = [each["purl"] for each in found["components"] if "purl" in each]
    listed = {name for purl in purls for name in re.findall("^pkg:pypi/([^@]+)@", purl)}
    assert {re.sub("[-_.]+", "-", name) for name in listed} == packages_of(repo.image)
    assert {"numpy", row["framework"]} <= listed
    assert "pytest" not in listed
    assert len(purls) == len(set(purls))
    assert any(re.match("pkg:deb/[a-z]+/libc6@", purl) for purl in purls)
    image_id = docker("image", "inspect", "--format={{.Id}}", repo.image)
    assert found["metadata"]["component"]["version"] == image_id
    if row["serving"] == "model-server":
        purls = [
            component.get("purl", "")
            for component in repo.report("sbom-model-server.cdx.json")["components"]
        ]
        assert any(purl.startswith("pkg:deb/") for purl in purls)
        if row["backend"] == "pytorch":
            assert any(purl.startswith("pkg:pypi/torchserve@") for purl in purls)


def test_images_are_accepted_once_they_are_signed_and_attested(
    built: Built, signing: list[str], tmp_path: Path
) -> None:
    repo = built(SERVED[0])  # two images; pipelines sign one
    repo.make("push")
    quiet = {"COSIGN_PASSWORD": ""}

    assert "no signatures found" in repo.refusal("verify-image", *signing)
    repo.make("sign", *signing, **quiet)
    assert "no matching attestations" in repo.refusal("verify-image", *signing)
    assert "BUILD_COMMIT" in repo.refusal("attest", *signing, **quiet)
    repo.make("attest", *signing, **quiet, **BUILD)
    repo.make("verify-image", *signing)

    run(cosign(), "generate-key-pair", cwd=tmp_path, **quiet)
    another = [*signing, f"COSIGN_PUBLIC_KEY={tmp_path / 'cosign.pub'}"]
    assert "invalid signature" in repo.refusal("verify-image", *another)
    assert "set COSIGN_PUBLIC_KEY" in repo.refusal("verify-image")


def test_an_image_that_was_built_anew_is_not_signed_as_the_pushed_one(
    built: Built, signing: list[str]
) -> None:
    repo = built(IN_PROCESS)
    repo.make("push")
    path = repo.folder / "src" / "service" / "logs.py"
    path.write_text(path.read_text(encoding="utf-8") + "# anew\n", encoding="utf-8")
    repo.make("image")

    assert 'Run "make push"' in repo.refusal("sign", *signing, COSIGN_PASSWORD="")


def test_a_service_passes_the_load_test_until_it_is_starved(built: Built, container: str) -> None:
    repo = built(IN_PROCESS)
    port = started(repo.image, container)
    url = f"URL=http://127.0.0.1:{port}"
    # What is usual here; the limits that repositories have are for a machine of their own.
    repo.make("loadtest", url, "LOADTEST_P95_SECONDS=30")
    found = repo.report("loadtest.json")
    assert found["errors"] == {}
    limit = f"LOADTEST_P95_SECONDS={found['p95_seconds'] * 3}"
    repo.make("loadtest", url, limit)
    docker("update", "--cpus=0.02", container)
    assert "not good enough" in repo.refusal("loadtest", url, limit)
    assert repo.report("loadtest.json")["faults"]
