"""What the smoke test of a running service takes for a right answer, and for a wrong one."""

from pathlib import Path
from typing import Any

import pytest

from service.smoke import Example, SmokeError, check, contains, read_examples

ANSWER = {"prediction": [{"label": "a", "score": 0.9}], "model": {"version": 1}}


@pytest.mark.parametrize(
    "expected",
    [
        {},
        {"model": {"version": 1}},
        {"prediction": [{"label": "a"}]},
        {"prediction": [{}], "model": {}},
    ],
)
def test_an_answer_may_say_more_than_is_expected(expected: dict[str, Any]) -> None:
    assert contains(ANSWER, expected)


@pytest.mark.parametrize(
    "expected",
    [
        {"label": "a"},
        {"model": {"version": 2}},
        {"prediction": []},
        {"prediction": [{"label": "a"}, {}]},
        {"prediction": {"label": "a"}},
    ],
)
def test_an_answer_must_say_all_that_is_expected(expected: dict[str, Any], tmp_path: Path) -> None:
    assert not contains(ANSWER, expected)
    with pytest.raises(SmokeError, match="was answered with"):
        check(Example("/ask", tmp_path / "a.txt", expected), ANSWER)


def test_the_repositorys_own_examples_can_be_asked() -> None:
    examples = read_examples(Path(__file__).parents[1] / "examples")

    assert len(examples) >= 3
    assert all(example.expected for example in examples)


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"/ask": []}', '{"/ask": {"none.png": {}}}', "{"]
)
def test_a_file_that_names_no_examples_is_refused_with_what_is_accepted(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "expected.json").write_text(content)

    with pytest.raises(SmokeError, match="It must be like"):
        read_examples(tmp_path)
