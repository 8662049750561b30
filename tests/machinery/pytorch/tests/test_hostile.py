"""Files that would do more than compute are refused by each loader, and nothing of them runs."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import hostile
import numpy as np
import pytest
import torch
from fake_version import write_fake_version
from hostile import HOSTILE

from service import manifest as manifests
from service import runtime
from service.errors import OwnerError
from service.lifecycle.fetch import fetch
from service.manifest import Artefact

WRITERS: dict[str, Callable[[Path], None]] = {
    "exported.pt2": hostile.write_pt2,
    "scripted.pt": hostile.write_pt,
    "traced.pt": hostile.write_traced_pt,
}


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What must not be there at the end; a module beside it can be imported."""
    (tmp_path / "marked").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "marked")
    return tmp_path / "marked" / "planted"


def version_of(folder: Path, file: str) -> Path:
    """A version whose one artefact is *file*, with the digests of what is there."""
    version = write_fake_version(folder / "default")
    shutil.move(folder / file, version / file)
    artefact = Artefact(format=file.rpartition(".")[2], path=file)
    changed = {"artefacts": [artefact], "files": manifests.digests(version)}
    manifests.write(manifests.read(version).model_copy(update=changed), version)
    return version


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("file", HOSTILE)
def test_a_hostile_file_is_refused_and_runs_nothing(
    file: str, marker: Path, tmp_path: Path
) -> None:
    HOSTILE[file](tmp_path / file, marker)
    version = version_of(tmp_path, file)
    facts = manifests.read(version)

    with pytest.raises(OwnerError, match=file):
        runtime.load_graph(version, facts, facts.artefacts[0], 1)(torch.zeros(2, 4))

    assert not marker.exists()
    assert marker.stem not in sys.modules


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("file", ["sample-inputs.pt2", "save.pt"])
def test_neither_fetch_nor_its_verification_runs_it(
    file: str, marker: Path, tmp_path: Path
) -> None:
    HOSTILE[file](tmp_path / file, marker)
    version = version_of(tmp_path, file)

    with pytest.raises(OwnerError, match=r"does not load.*was refused"):
        fetch(str(version), tmp_path / "fetched")

    assert not marker.exists()
    assert not (tmp_path / "fetched" / "1").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("file", WRITERS)
def test_an_honest_file_is_loaded(file: str, tmp_path: Path) -> None:
    WRITERS[file](tmp_path / file)
    version = version_of(tmp_path, file)
    facts = manifests.read(version)

    graph = runtime.load_graph(version, facts, facts.artefacts[0], 1)

    assert graph(torch.zeros(2, 4)).shape == ((2, 3) if file == "traced.pt" else (4, 3))


@pytest.mark.parametrize("location", ["../weights.bin", "{folder}/weights.bin", "link.bin"])
def test_weights_of_onnx_outside_of_the_folder_are_not_read(location: str, tmp_path: Path) -> None:
    import onnx  # noqa: PLC0415 - slow to import

    np.zeros(4, np.float32).tofile(tmp_path / "weights.bin")
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[4], data_location="EXTERNAL")
    said = location.format(folder=tmp_path)
    for key, value in (("location", said), ("offset", "0"), ("length", "16")):
        tensor.external_data.add(key=key, value=value)
    helper = onnx.helper
    ends = [helper.make_tensor_value_info(name, 1, [4]) for name in ("x", "y")]
    node = helper.make_node("Add", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], [tensor])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    (tmp_path / "outside.onnx").write_bytes(model.SerializeToString())
    version = version_of(tmp_path, "outside.onnx")
    (version / "link.bin").symlink_to(tmp_path / "weights.bin")
    facts = manifests.read(version)

    with pytest.raises(OwnerError, match=r"does not load.*External data"):
        runtime.load_graph(version, facts, facts.artefacts[0], 1)
