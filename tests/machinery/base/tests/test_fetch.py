"""A model that was made elsewhere is taken as it is, or not at all."""

import http.server
import io
import os
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from fsspec import register_implementation  # type: ignore[import-untyped]
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]
from trained import make_model

from service import manifest as manifests
from service.errors import OwnerError
from service.lifecycle import fetch as fetching
from service.lifecycle.__main__ import main
from service.lifecycle.fetch import STORES, fetch, unpack

pytest_plugins = ["verify_fixtures"]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with one version, not to be changed; of its artefacts one, to be verified soon."""
    folder = make_model(tmp_path_factory.mktemp("made"))
    manifest = manifests.read(folder / "1")
    manifests.write(
        manifest.model_copy(update={"artefacts": manifest.artefacts[1:2]}), folder / "1"
    )
    return folder


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    """Where versions go; there is none yet."""
    return tmp_path / "models" / "default"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which its files are."""
    folder = tmp_path / "registry"
    folder.mkdir()
    handler = partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class InMemory(MemoryFileSystem):  # type: ignore[misc]
    """A store whose files are in memory."""

    protocol = tuple(STORES)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.rpartition("://")[2].strip("/")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def tar_of(path: Path, **members: bytes | tarfile.TarInfo) -> Path:
    """An archive with *members*, by their names: the content of each, or what it is instead."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


def linking(kind: bytes, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo("link")
    info.type, info.linkname = kind, target
    return info


POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9\n"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


@pytest.mark.parametrize("name", [manifests.MANIFEST, manifests.GOLDEN])
def test_a_file_that_git_lfs_has_not_brought_is_named(
    origin: Path, model_dir: Path, tmp_path: Path, name: str
) -> None:
    folder = Path(shutil.copytree(origin, tmp_path / "model"))
    (folder / "1" / name).write_text(POINTER)

    with pytest.raises(OwnerError, match=f'{name}" is what Git LFS puts.* "git lfs pull"'):
        fetch(str(folder), model_dir)

    assert names(model_dir) == []


@pytest.mark.parametrize(
    ("kind", "part"), [("gztar", ""), ("zip", "1")], ids=["a model", "a version"]
)
def test_an_archive_becomes_a_verified_version(
    origin: Path, model_dir: Path, registry: tuple[Path, str], kind: str, part: str
) -> None:
    folder, address = registry
    archive = Path(shutil.make_archive(str(folder / "model"), kind, origin / part))

    found = fetch(
        f"{address}/{archive.name}?token=secret", model_dir, manifests.sha256(archive).upper()
    )

    assert found.folder == model_dir / "1"
    assert found.checks
    assert manifests.digests(model_dir / "1") == manifests.digests(origin / "1")
    assert names(model_dir.parent) == ["default"]
    assert names(model_dir) == ["1"]


@pytest.mark.usefixtures("verified_here")
def test_a_folder_and_a_file_address_are_taken_too(origin: Path, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "model"), "gztar", origin))

    fetch(str(origin), tmp_path / "one")
    fetch(archive.as_uri(), tmp_path / "two")

    assert names(tmp_path / "one") == names(tmp_path / "two") == ["1"]
    assert manifests.read(tmp_path / "two" / "1").name == "two"


@pytest.mark.usefixtures("verified_here")
def test_the_same_version_again_changes_nothing(
    origin: Path, model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch(str(origin), model_dir)
    (model_dir / "1").rename(model_dir / "4")
    manifest = manifests.read(model_dir / "4")
    manifests.write(manifest.model_copy(update={"version": 4}), model_dir / "4")
    before = manifests.digests(model_dir)

    assert main(["fetch", str(origin), "--model-dir", str(model_dir)]) == 0

    assert manifests.digests(model_dir) == before
    assert f'There already: "{model_dir / "4"}"' in capsys.readouterr().out


@pytest.mark.usefixtures("verified_here")
def test_another_model_with_the_same_number_gets_the_next_one(
    origin: Path, model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(origin, model_dir)
    manifest = manifests.read(model_dir / "1")
    manifests.write(manifest.model_copy(update={"created_at": "before"}), model_dir / "1")
    manifests.choose(model_dir, 1)
    before = manifests.digests(model_dir / "1")

    assert main(["fetch", str(origin), "--model-dir", str(model_dir)]) == 0

    said = capsys.readouterr().out
    assert "Where it comes from it is version 1; here that is another model." in said
    assert 'Run "make use VERSION=2" to serve this one.' in said
    assert manifests.digests(model_dir / "1") == before
    assert manifests.read(model_dir / "2").version == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"task": "weather"}, "is for weather; this service does"),
        ({"parameters": {"rooms": 3}}, "parameters that this service does not read: "),
    ],
)
def test_a_model_for_something_else_is_refused(
    origin: Path, tmp_path: Path, model_dir: Path, change: dict[str, object], said: str
) -> None:
    other = shutil.copytree(origin, tmp_path / "other")
    manifest = manifests.read(other / "1")
    manifests.write(manifest.model_copy(update=change), other / "1")

    with pytest.raises(OwnerError, match=said):
        fetch(str(other), model_dir)

    assert names(model_dir) == []


def test_a_model_that_was_changed_is_refused_and_nothing_is_left_of_it(
    origin: Path, tmp_path: Path, model_dir: Path
) -> None:
    shutil.copytree(origin, model_dir)
    other = shutil.copytree(origin, tmp_path / "other")
    manifest = manifests.read(other / "1")
    manifests.write(manifest.model_copy(update={"created_at": "later"}), other / "1")
    path = other / "1" / manifests.GOLDEN
    path.write_bytes(path.read_bytes()[:-1])
    before = manifests.digests(model_dir)

    with pytest.raises(OwnerError, match=r"golden\.npz.* bytes"):
        fetch(str(other), model_dir)

    assert manifests.digests(model_dir) == before
    assert names(model_dir.parent) == ["default"]
    assert names(model_dir) == ["1"]


def test_an_archive_with_another_digest_is_not_even_unpacked(
    origin: Path, tmp_path: Path, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "model"), "gztar", origin))
    monkeypatch.setattr(fetching, "unpack", None)

    with pytest.raises(OwnerError, match=r"has the SHA-256 .*, not 0000"):
        fetch(archive.as_uri(), model_dir, "0" * 64)
    with pytest.raises(OwnerError, match="64 hexadecimal digits"):
        fetch(archive.as_uri(), model_dir, "abc")
    with pytest.raises(OwnerError, match="is a folder, which has no SHA-256"):
        fetch(str(origin), model_dir, "0" * 64)

    assert names(model_dir.parent) == []


def test_what_is_not_there_is_refused_without_telling_secrets(
    model_dir: Path, registry: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    _, address = registry
    signed = f"{address}/none.tar.gz?signature=secret"

    for asked in (signed, signed.replace("//", "//me:secret@with-an@")):
        assert main(["fetch", asked, "--model-dir", str(model_dir)]) == 1
        said = capsys.readouterr().err
        assert f'"{address}/none.tar.gz" cannot be read' in said
        assert "secret" not in said
        assert "with-an" not in said
    with pytest.raises(OwnerError, match=r"A folder is accepted, or a \.tar\.gz or \.zip"):
        fetch("ftp://registry.example/model.zip", model_dir)
    with pytest.raises(OwnerError, match=r"A folder is accepted, or a \.tar\.gz or \.zip"):
        fetch(str(model_dir / "none"), model_dir)


@pytest.mark.usefixtures("verified_here")
def test_a_path_is_an_archive_or_told_for_what_it_is(
    origin: Path, tmp_path: Path, model_dir: Path
) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "model"), "gztar", origin))
    (tmp_path / "model.h5").write_bytes(b"weights")

    assert fetch(str(archive), model_dir).folder == model_dir / "1"
    with pytest.raises(OwnerError, match=r'none" cannot be read: No such file or directory'):
        fetch(str(tmp_path / "none"), model_dir)
    with pytest.raises(OwnerError, match=r'"model\.h5" is no \.tar\.gz and no \.zip'):
        fetch(str(tmp_path / "model.h5"), model_dir)


@pytest.mark.usefixtures("verified_here")
@pytest.mark.parametrize("scheme", STORES)
def test_a_store_is_read_with_its_own_package(
    scheme: str, origin: Path, tmp_path: Path, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through fsspec; its files in memory take the place of the store."""
    archive = Path(shutil.make_archive(str(tmp_path / "model"), "zip", origin))
    MemoryFileSystem().pipe("/bucket/model.zip", archive.read_bytes())
    register_implementation(scheme, InMemory, clobber=True)
    monkeypatch.setitem(STORES, scheme, "json")  # a package that is there

    found = fetch(f"{scheme}://bucket/model.zip", model_dir, manifests.sha256(archive))

    assert found.folder == model_dir / "1"


def test_a_store_whose_package_is_missing_is_named(
    model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STORES, "s3", "not_installed")

    with pytest.raises(OwnerError, match=r's3:// needs not_installed.*"uv pip install fsspec not'):
        fetch("s3://bucket/model.zip", model_dir)


def test_an_archive_of_something_else_is_refused(
    tmp_path: Path, model_dir: Path, origin: Path
) -> None:
    with pytest.raises(OwnerError, match="has no model version"):
        fetch(tar_of(tmp_path / "notes.tar.gz", notes=b"1", more=b"2").as_uri(), model_dir)
    (tmp_path / "notes.zip").write_text("no archive")
    with pytest.raises(OwnerError, match=r"is no \.tar\.gz and no \.zip"):
        fetch((tmp_path / "notes.zip").as_uri(), model_dir)
    whole = Path(shutil.make_archive(str(tmp_path / "model"), "gztar", origin)).read_bytes()
    (tmp_path / "half.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OwnerError, match=r"half\.tar\.gz"):
        fetch((tmp_path / "half.tar.gz").as_uri(), model_dir)
    assert names(model_dir.parent) == []


@pytest.mark.parametrize(
    "member",
    [
        linking(tarfile.SYMTYPE, "/etc/passwd"),
        linking(tarfile.SYMTYPE, "manifest.json"),
        linking(tarfile.LNKTYPE, "manifest.json"),
        linking(tarfile.CHRTYPE, ""),
        linking(tarfile.FIFOTYPE, ""),
    ],
    ids=["link outside", "link inside", "hard link", "device", "pipe"],
)
def test_links_and_devices_are_refused(tmp_path: Path, member: tarfile.TarInfo) -> None:
    archive = tar_of(tmp_path / "bad.tar.gz", good=b"1", link=member)

    with pytest.raises(OwnerError, match='"link" is a link or a device'):
        unpack(archive, tmp_path / "out")


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as zipped:
        zipped.writestr(info, "/etc/passwd")

    with pytest.raises(OwnerError, match='"link" is a link or a device'):
        unpack(tmp_path / "bad.zip", tmp_path / "out")


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside"])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_nothing_is_written_outside_of_the_folder(tmp_path: Path, kind: str, name: str) -> None:
    archive = tmp_path / "bad"
    if kind == "tar":
        tar_of(archive, **{name: b"1"})
    else:
        with zipfile.ZipFile(archive, "w") as zipped:
            zipped.writestr(name, "1")
    out = tmp_path / "deep" / "out"
    out.mkdir(parents=True)

    with pytest.raises(OwnerError, match="outside"):
        unpack(archive, out)

    assert names(tmp_path / "deep") == ["out"]
    assert names(out) == []
    assert not Path("/outside").exists()


def test_a_name_that_comes_twice_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as tar:
        for _ in range(2):
            tar.addfile(tarfile.TarInfo("same"))

    with pytest.raises(OwnerError, match='"same" is there twice'):
        unpack(tmp_path / "bad.tar.gz", tmp_path / "out")


@pytest.mark.parametrize(("limit", "value"), [("MOST_FILES", 2), ("MOST_BYTES", 250)])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_more_than_is_accepted_is_refused_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, limit: str, value: int
) -> None:
    monkeypatch.setattr(fetching, limit, value)
    archive = tmp_path / "large"
    if kind == "tar":
        tar_of(archive, a=bytes(100), b=bytes(100), c=bytes(100))
    else:
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
            for name in "abc":
                zipped.writestr(name, bytes(100))

    with pytest.raises(OwnerError, match="more than"):
        unpack(archive, tmp_path / "out")

    assert names(tmp_path / "out") == []


def test_a_download_ends_at_the_limit(
    model_dir: Path, registry: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = registry
    (folder / "large.zip").write_bytes(os.urandom(5000))
    monkeypatch.setattr(fetching, "MOST_BYTES", 4000)

    with pytest.raises(OwnerError, match="more than 4,000 bytes"):
        fetch(f"{address}/large.zip", model_dir)

    assert names(model_dir.parent) == []
