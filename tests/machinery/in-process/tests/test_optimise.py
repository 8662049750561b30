"""The format that is served is the one that answers soonest here, and agrees."""

from pathlib import Path
from unittest.mock import Mock

import pytest
from trained import make_model

from service import manifest as manifests
from service.errors import OwnerError
from service.lifecycle import __main__ as commands
from service.lifecycle import optimise as optimising
from service.lifecycle.__main__ import main
from service.lifecycle.fetch import fetch
from service.lifecycle.optimise import Speed, choose, optimise
from service.manifest import Artefact

pytest_plugins = ["verify_fixtures"]


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """The folder of a version that has several formats."""
    return make_model(tmp_path) / "1"


def measuring(monkeypatch: pytest.MonkeyPatch, **milliseconds: float) -> None:
    """Let formats be as fast as that, after a first round in which something else ran."""
    asked: list[str] = []

    def measured(_: Path, artefact: Artefact) -> Speed:
        asked.append(artefact.format)
        taken = milliseconds.get(artefact.format, 50.0) + 99.0 * (len(asked) == 1)
        return Speed(
            format=artefact.format,
            load_seconds=1,
            milliseconds=taken,
            batch=4,
            batch_milliseconds=4 * taken,
        )

    monkeypatch.setattr(optimising, "verify", lambda _: [])
    monkeypatch.setattr(optimising, "_measured", measured)


def glancing(monkeypatch: pytest.MonkeyPatch, *milliseconds: float) -> list[str]:
    """Let the formats that a short look measures be as fast as that; gives which it measures."""
    asked: list[str] = []

    def measure(_: Path, format_name: str, seconds: float) -> Speed:
        assert seconds < 1
        taken = milliseconds[len(asked)]
        asked.append(format_name)
        return Speed(
            format=format_name,
            load_seconds=1,
            milliseconds=taken,
            batch=4,
            batch_milliseconds=4 * taken,
        )

    monkeypatch.setattr(optimising, "measure", measure)
    return asked


def with_formats(version: Path, *formats: str) -> Path:
    """The version with the first artefact under each of these names."""
    manifest = manifests.read(version)
    path = manifest.artefacts[0].path
    artefacts = [Artefact(format=name, path=path) for name in formats]
    manifests.write(manifest.model_copy(update={"artefacts": artefacts}), version)
    return version


def formats_of(version: Path) -> list[str]:
    return [artefact.format for artefact in manifests.read(version).artefacts]


@pytest.mark.usefixtures("verified_here")
def test_each_format_is_measured_and_the_version_stays_whole(
    version: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = manifests.read(version)
    two = before.model_copy(update={"artefacts": before.artefacts[:2]})
    manifests.write(two, version)

    assert main(["optimise", str(version)]) == 0

    after = manifests.read(version)
    assert after.milliseconds.keys() == {each.format for each in before.artefacts[:2]}
    assert all(milliseconds > 0 for milliseconds in after.milliseconds.values())
    assert after.measured_on.endswith(" threads")
    assert set(formats_of(version)) == after.milliseconds.keys()
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said[1:3]] == formats_of(version)
    assert said[-1] == f'Services that start from now on serve "{formats_of(version)[0]}".'
    manifests.check_files(version, after)


def test_the_fastest_is_served(version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_formats(version, "own", "other")
    measuring(monkeypatch, other=10.0)

    speeds = optimise(version)

    assert formats_of(version)[0] == speeds[0].format == "other"
    assert manifests.read(version).artefact(None).format == "other"


def test_a_format_that_needs_the_network_s_code_is_not_chosen(
    version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code, *_) = sorted(set(formats_of(version)) & optimising._NEED_CODE)  # noqa: SLF001
    first = formats_of(version)[0]
    with_formats(version, first, code)
    measuring(monkeypatch, **{code: 10.0})

    optimise(version)

    assert formats_of(version) == [first, code]


def test_a_short_look_lets_what_is_clearly_faster_be_served(
    version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_formats(version, "own", "same", "other")
    asked = glancing(monkeypatch, 10.0, 7.0, 9.0)
    said: list[str] = []

    choose(version, said.append)

    assert asked == ["own", "other", "same"]
    assert formats_of(version) == ["other", "same", "own"]
    assert manifests.read(version).milliseconds == {"other": 7.0, "same": 9.0, "own": 10.0}
    assert [line.split()[0] for line in said[1:4]] == asked
    assert said[-1].startswith('Services serve "other": not "own".')


def test_what_a_short_look_cannot_tell_apart_stays(
    version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_formats(version, "own", "other")
    glancing(monkeypatch, 10.0, 8.0)
    said: list[str] = []

    choose(version, said.append)

    assert formats_of(version) == ["own", "other"]
    assert said[-1].startswith('Services serve "own": nothing is clearly faster.')


def test_a_short_look_ends_where_formats_are_slow(
    version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_formats(version, "own", "same", "other")
    asked = glancing(monkeypatch, 10.0)
    monkeypatch.setattr(optimising, "_ENOUGH_SECONDS", 0.0)

    choose(version, lambda _: None)

    assert asked == ["own"]
    assert formats_of(version) == ["own", "same", "other"]


def test_the_format_that_the_owner_names_is_not_measured(
    version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = formats_of(version)
    monkeypatch.setenv("MODEL_FORMAT", before[-1])
    asked = glancing(monkeypatch)
    said: list[str] = []

    choose(version, said.append)

    assert (asked, formats_of(version)) == ([], before)
    assert said == [f'MODEL_FORMAT is "{before[-1]}": services serve it, whatever is faster.']


@pytest.mark.parametrize(("word", "times"), [("", 1), ("1", 1), ("0", 0)])
def test_a_model_is_optimised_unless_its_owner_says_no(
    word: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[object] = []
    monkeypatch.setenv("OPTIMISE", word)
    for step in ("_train", "_evaluate", "_export"):
        pretended = Mock(__name__=step, return_value=Path("7"))
        monkeypatch.setattr(commands, step, pretended)
    monkeypatch.setattr(optimising, "choose", lambda folder, _: done.append(folder))

    assert main(["model"]) == 0
    assert done == [Path("7")] * times
    assert main(["model", "--no-optimise"]) == 0
    assert len(done) == times


def test_a_true_version_is_whole_after_a_short_look(version: Path) -> None:
    before = manifests.read(version)
    said: list[str] = []

    choose(version, said.append)

    after = manifests.read(version)
    manifests.check_files(version, after)
    assert {each.format for each in after.artefacts} == {each.format for each in before.artefacts}
    measured = [name for name in formats_of(version) if name not in optimising._NEED_CODE]  # noqa: SLF001
    if len(measured) > 1:
        assert after.milliseconds.keys() == set(measured)
        assert f'"{formats_of(version)[0]}"' in said[-1]
    else:
        assert (after, said) == (before, [])


def test_what_is_hardly_faster_changes_nothing(
    version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_formats(version, "own", "other")
    measuring(monkeypatch, other=46.0)

    optimise(version)

    assert formats_of(version) == ["own", "other"]


def test_a_version_that_was_measured_here_is_still_the_one_that_is_fetched(
    version: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measuring(monkeypatch, **{formats_of(version)[0]: 90.0})
    optimise(version)

    found = fetch(str(make_model(tmp_path / "origin")), version.parent)

    assert (found.folder, found.checks) == (version, [])


def test_a_version_that_is_not_what_was_exported_stays_as_it_is(version: Path) -> None:
    manifest = manifests.read(version)
    path = version / manifest.artefacts[0].path
    spoilt = path if path.is_file() else next(path.rglob("*.pb"))
    spoilt.write_bytes(spoilt.read_bytes()[:-1])

    with pytest.raises(OwnerError, match="truncated"):
        optimise(version)

    assert manifests.read(version) == manifest
