"""Models that would do more than compute are refused by each loader, and nothing of them runs."""

import shutil
from collections.abc import Callable
from pathlib import Path

import hostile
import pytest
from fake_version import write_fake_version
from hostile import HOSTILE

from service import manifest as manifests
from service import runtime
from service.errors import OwnerError
from service.framework import tf
from service.lifecycle.fetch import fetch
from service.manifest import Artefact, Signature, Tensor

WRITERS: dict[str, Callable[[Path], None]] = {
    "saved_model": hostile.write_saved_model,
    "keras": hostile.write_keras,
    "h5": hostile.write_keras,
}
SIGNATURE = Signature(
    inputs=[Tensor(name="x", dtype="float32", shape=(None, 2))],
    outputs=[Tensor(name="y", dtype="float32", shape=(None, 2))],
)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """What must not be there at the end."""
    (tmp_path / "marked").mkdir()
    return tmp_path / "marked" / "planted"


def version_of(folder: Path, file: str) -> Path:
    """A version whose one artefact is *file*, with the digests of what is there."""
    version = write_fake_version(folder / "default")
    shutil.move(folder / file, version / file)
    changed = {
        "artefacts": [Artefact(format=file.rpartition(".")[2], path=file)],
        "files": manifests.digests(version),
        "signature": SIGNATURE,
    }
    manifests.write(manifests.read(version).model_copy(update=changed), version)
    return version


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("file", HOSTILE)
def test_a_hostile_model_is_refused_and_runs_nothing(
    file: str, marker: Path, tmp_path: Path
) -> None:
    HOSTILE[file](tmp_path / file, marker)
    assert not marker.exists()
    version = version_of(tmp_path, file)
    facts = manifests.read(version)

    with pytest.raises(OwnerError, match=file):
        runtime.load_graph(version, facts, facts.artefacts[0], 1)({"x": tf.zeros((1, 2))})

    assert not marker.exists()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("file", ["write.saved_model", "code.h5"])
def test_neither_fetch_nor_its_verification_runs_it(
    file: str, marker: Path, tmp_path: Path
) -> None:
    HOSTILE[file](tmp_path / file, marker)
    version = version_of(tmp_path, file)

    with pytest.raises(OwnerError, match="does not load"):
        fetch(str(version), tmp_path / "fetched")

    assert not marker.exists()
    assert not (tmp_path / "fetched" / "1").exists()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("format_name", WRITERS)
def test_an_honest_model_is_loaded(format_name: str, tmp_path: Path) -> None:
    file = f"honest.{format_name}"
    WRITERS[format_name](tmp_path / file)
    version = version_of(tmp_path, file)
    facts = manifests.read(version)

    graph = runtime.load_graph(version, facts, facts.artefacts[0], 1)

    assert graph({"x": tf.zeros((3, 2))})["y"].shape == (3, 2)
