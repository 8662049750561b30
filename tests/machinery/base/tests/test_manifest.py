"""A model version on disk: what is found, and what is refused by name."""

from pathlib import Path

import numpy as np
import pytest
from fake_version import write_fake_version

from service import manifest as manifests
from service.errors import OwnerError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of an intact version."""
    return write_fake_version(tmp_path / "default", 3)


def test_the_newest_version_is_found_by_its_number(folder: Path) -> None:
    write_fake_version(folder.parent, 10)
    (folder.parent / ".staging-11").mkdir()
    (folder.parent / "12").mkdir()  # without a manifest: not a version

    assert manifests.versions(folder.parent) == [3, 10]
    assert manifests.find_version(folder.parent, None).name == "10"
    assert manifests.find_version(folder.parent, 3) == folder


def test_a_folder_without_versions_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OwnerError, match=r'no model version. Run "make model"'):
        manifests.find_version(tmp_path, None)


def test_a_version_that_is_not_there_is_told_which_are(folder: Path) -> None:
    with pytest.raises(OwnerError, match=r"MODEL_VERSION is 4, .* It has: 3"):
        manifests.find_version(folder.parent, 4)


def test_a_number_with_zeros_before_it_is_no_version(folder: Path) -> None:
    folder.rename(folder.with_name("003"))

    assert manifests.versions(folder.parent) == []
    assert manifests.next_version(folder.parent) == 1


def test_a_version_whose_folder_has_another_number_is_refused(folder: Path) -> None:
    folder.rename(folder.with_name("4"))

    with pytest.raises(OwnerError, match=r'/4" is version 3 by its manifest.json, and 4 by its n'):
        manifests.find_version(folder.parent, None)


def test_a_manifest_that_is_there_and_cannot_be_read_is_not_called_missing(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    with pytest.raises(OwnerError, match=r'manifest.json" is missing'):
        manifests.read(folder)
    (folder / "manifest.json").mkdir()
    with pytest.raises(OwnerError, match=r'manifest.json" cannot be read: Is a directory'):
        manifests.read(folder)


def test_a_manifest_is_read_as_it_was_written(folder: Path) -> None:
    manifest = manifests.read(folder)
    manifests.write(manifest, folder)

    assert manifests.read(folder) == manifest


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "the whole file"),
        ("{}", "name"),
        ('{"files": {"../x": {"bytes": 1, "sha256": ""}}}', ""),
    ],
)
def test_a_manifest_that_is_none_is_refused(folder: Path, text: str, named: str) -> None:
    (folder / "manifest.json").write_text(text)

    with pytest.raises(OwnerError, match=rf"manifest.json. is not a manifest: .*{named}"):
        manifests.read(folder)


def test_a_path_outside_the_folder_is_refused(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"model.fake"', '"../model.fake"'))

    with pytest.raises(OwnerError, match=r"not a path inside"):
        manifests.read(folder)


def test_an_intact_version_passes(folder: Path) -> None:
    manifests.check_files(folder, manifests.read(folder))


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"Weights", "sha256"), (b"weight", "6 bytes, its manifest says 7"), (None, "is missing")],
)
def test_a_changed_file_is_refused_by_name(
    folder: Path, content: bytes | None, reason: str
) -> None:
    manifest = manifests.read(folder)
    file = folder / "model.fake"
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)

    with pytest.raises(OwnerError, match=rf'model.fake".*{reason}'):
        manifests.check_files(folder, manifest)


def test_a_format_that_is_not_there_is_told_which_are(folder: Path) -> None:
    with pytest.raises(OwnerError, match=r"MODEL_FORMAT is 'onyx', .* It has: fake"):
        manifests.read(folder).artefact("onyx")


def test_golden_arrays_are_read_as_they_were_written(tmp_path: Path) -> None:
    inputs = {"image": np.ones((2, 3), np.float32)}
    outputs = {"logits": np.zeros((2, 4), np.float32)}
    manifests.write_golden(tmp_path, inputs, outputs)

    found_inputs, found_outputs = manifests.read_golden(tmp_path)

    assert manifests.largest_difference(inputs, found_inputs) == 0
    assert manifests.largest_difference(outputs, found_outputs) == 0


@pytest.mark.parametrize(
    "found",
    [
        {"other": np.zeros((2, 2))},
        {"y": np.zeros((2, 3))},
        {"y": np.full((2, 2), np.nan)},
        {},
    ],
)
def test_outputs_that_do_not_compare_differ_infinitely(found: manifests.Arrays) -> None:
    assert manifests.largest_difference({"y": np.zeros((2, 2))}, found) == float("inf")


def test_the_largest_difference_is_found() -> None:
    expected = {"y": np.array([1.0, 2.0]), "z": np.array([0.0])}
    found = {"y": np.array([1.0, 2.5]), "z": np.array([0.25])}

    assert manifests.largest_difference(expected, found) == 0.5
