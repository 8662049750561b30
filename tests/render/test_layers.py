"""The layers of the skeleton: named by known answers, complete, disjoint, copied."""

import re
from pathlib import Path

from bakes import tracked_files
from matrix import (
    CHOICES,
    COMBINATIONS,
    ROOT,
    SKELETON,
    Combination,
    features,
)

SOURCES = [
    path.relative_to(SKELETON.name)
    for path in tracked_files()
    if path.is_relative_to(SKELETON.name)
]
LAYERS = sorted({Path(*path.parts[:2]) for path in SOURCES if path.parts[0] == "layers"})
BASE = [path for path in SOURCES if path.parts[0] != "layers"]


def is_chosen(layer: Path, combination: Combination) -> bool:
    """Whether *combination* has all features that *layer* is named by."""
    return features(combination).issuperset(layer.name.split("+"))


def sources(combination: Combination) -> dict[Path, list[Path]]:
    """For each file of a repository, the files of the skeleton that claim to be it."""
    claims = {path: [path] for path in BASE}
    for layer in LAYERS:
        if is_chosen(layer, combination):
            for path in SOURCES:
                if path.is_relative_to(layer):
                    claims.setdefault(path.relative_to(layer), []).append(path)
    return claims


def test_every_layer_is_chosen_by_some_answers_and_none_by_all() -> None:
    for layer in LAYERS:
        chosen = [is_chosen(layer, combination) for combination in COMBINATIONS]
        assert any(chosen), layer
        assert not all(chosen), layer


def test_every_answer_brings_a_layer() -> None:
    named = {feature for layer in LAYERS for feature in layer.name.split("+")}

    assert named >= {answer for combination in COMBINATIONS for answer in combination.values()}


def test_layers_that_apply_together_share_no_file(combination: Combination) -> None:
    shared = {path: claims for path, claims in sources(combination).items() if len(claims) > 1}

    assert shared == {}


WITH_REGIONS = {".py", ".yaml", ".html"}


def mark_in(line: str) -> str:
    """The mark of a region in *line*, without the signs of a comment; empty when it has none."""
    found = re.fullmatch(r" *(?:#|<!--) (only: .+?|end)(?: -->)?\n?", line)
    return found[1] if found else ""


def without_unchosen_regions(text: str, chosen: set[str]) -> str:
    """*text* without the marks of regions, and without the regions that are not *chosen*."""
    kept, keeps = [], True
    for line in text.splitlines(keepends=True):
        mark = mark_in(line)
        if mark.startswith("only: "):
            alternatives = mark.removeprefix("only: ").split(" | ")
            keeps = any(chosen.issuperset(each.split("+")) for each in alternatives)
        elif mark == "end":
            keeps = True
        elif keeps:
            kept.append(line)
    return "".join(kept)


def test_a_file_with_regions_is_its_one_source_without_those_that_are_not_chosen(
    repo: Path, combination: Combination
) -> None:
    claims, chosen = sources(combination), features(combination)
    assert claims.keys() >= {path.relative_to(repo) for path in repo.rglob("*.py")}
    for path, (source,) in claims.items():
        if path.suffix == ".py" or (path.suffix in WITH_REGIONS and source.parts[0] == "layers"):
            text = (SKELETON / source).read_text(encoding="utf-8")
            left = without_unchosen_regions(text, chosen)
            if text and not left:
                assert not (repo / path).exists(), source
            else:
                assert (repo / path).read_text(encoding="utf-8") == left, source


def test_every_other_file_of_a_layer_but_the_lock_is_laid_as_it_is(
    repo: Path, combination: Combination
) -> None:
    for path, (source,) in sources(combination).items():
        if source.parts[0] != "layers" or path.name == "requirements.lock":
            continue
        if path.suffix not in WITH_REGIONS:
            assert (repo / path).read_bytes() == (SKELETON / source).read_bytes(), source
        if (repo / path).exists():
            assert (repo / path).stat().st_mode == (SKELETON / source).stat().st_mode, source


def test_regions_name_known_features_and_are_closed() -> None:
    known = set().union(*map(features, COMBINATIONS))
    for path in SOURCES:
        if path.suffix in WITH_REGIONS:
            lines = (SKELETON / path).read_text(encoding="utf-8").splitlines()
            marks = [mark for line in lines if (mark := mark_in(line))]
            assert marks[1::2] == ["end"] * (len(marks) // 2), path
            for mark in marks[::2]:
                named = re.split(r" \| |\+", mark.removeprefix("only: "))
                assert known.issuperset(named), (path, mark)


def test_python_in_the_skeleton_holds_no_jinja() -> None:
    for path in SOURCES:
        if path.suffix == ".py":
            text = (SKELETON / path).read_text(encoding="utf-8")
            assert not re.search(r"\{\{ *cookiecutter|\{%", text), path


def test_the_hook_that_lays_layers_names_no_question_and_no_answer() -> None:
    hook = (ROOT / "hooks" / "post_gen_project.py").read_text(encoding="utf-8")
    words = {word for question, answers in CHOICES.items() for word in (question, *answers)}

    assert [word for word in words if re.search(rf"\b{re.escape(word)}\b", hook)] == []
