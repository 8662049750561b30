"""The layers of the skeleton: named by known answers, complete, disjoint, copied."""

import re
from pathlib import Path

from conftest import tracked_files
from matrix import (
    CHOICES,
    COMBINATIONS,
    CONTEXT,
    LOCK_QUESTIONS,
    ROOT,
    SKELETON,
    Combination,
    answer_of,
)

SOURCES = [
    path.relative_to(SKELETON.name)
    for path in tracked_files()
    if path.is_relative_to(SKELETON.name)
]
LAYERS = sorted({Path(*path.parts[:3]) for path in SOURCES if path.parts[0] == "layers"})
BASE = [path for path in SOURCES if path.parts[0] != "layers"]


def answers_together(questions: list[str]) -> set[str]:
    """The answers to *questions* that repositories have together, as a layer is named."""
    return {"+".join(answer_of(each, name) for name in questions) for each in COMBINATIONS}


def sources(combination: Combination) -> dict[Path, list[Path]]:
    """For each file of a repository, the files of the skeleton that claim to be it."""
    claims = {path: [path] for path in BASE}
    for layer in LAYERS:
        questions = layer.parts[1].split("+")
        if layer.parts[2] == "+".join(answer_of(combination, name) for name in questions):
            for path in SOURCES:
                if path.is_relative_to(layer):
                    claims.setdefault(path.relative_to(layer), []).append(path)
    return claims


def test_every_layer_is_named_by_known_questions_in_order_and_their_answers() -> None:
    order = [name.removeprefix("__") for name in CONTEXT]
    order.remove("task")  # asked first, as the names of projects follow from it
    order.insert(order.index("backend") + 1, "task")
    for layer in LAYERS:
        questions = layer.parts[1].split("+")
        assert questions == sorted(questions, key=order.index), layer
        assert layer.parts[2] in answers_together(questions), layer


def test_every_question_that_brings_layers_has_one_for_each_of_its_answers() -> None:
    """One that follows from others, or several, may bring something for some answers alone."""
    for name in {layer.parts[1] for layer in LAYERS}:
        if name in CHOICES or name == "+".join(LOCK_QUESTIONS):
            found = {layer.parts[2] for layer in LAYERS if layer.parts[1] == name}
            assert found == answers_together(name.split("+")), name


def test_layers_that_apply_together_share_no_file(combination: Combination) -> None:
    shared = {path: claims for path, claims in sources(combination).items() if len(claims) > 1}

    assert shared == {}


def test_every_python_file_is_its_one_source_to_the_byte(
    repo: Path, combination: Combination
) -> None:
    claims = sources(combination)
    for path in repo.rglob("*.py"):
        (source,) = claims[path.relative_to(repo)]
        assert path.read_bytes() == (SKELETON / source).read_bytes(), source


def test_every_file_of_a_layer_is_laid_as_it_is(repo: Path, combination: Combination) -> None:
    for path, (source,) in sources(combination).items():
        if source.parts[0] == "layers":
            assert (repo / path).read_bytes() == (SKELETON / source).read_bytes(), source
            assert (repo / path).stat().st_mode == (SKELETON / source).stat().st_mode, source


def test_python_in_the_skeleton_holds_no_jinja() -> None:
    for path in SOURCES:
        if path.suffix == ".py":
            text = (SKELETON / path).read_text(encoding="utf-8")
            assert not re.search(r"\{\{ *cookiecutter|\{%", text), path


def test_the_hook_that_lays_layers_names_no_question_and_no_answer() -> None:
    hook = (ROOT / "hooks" / "post_gen_project.py").read_text(encoding="utf-8")
    words = {word for question, answers in CHOICES.items() for word in (question, *answers)}

    assert [word for word in words if re.search(rf"\b{re.escape(word)}\b", hook)] == []
