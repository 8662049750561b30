"""The starter's questions: right answers, and nothing held out that could be known by heart."""

import re

import pytest

from service.lifecycle import numbers
from service.lifecycle.labelled import Example, Text
from service.lifecycle.numbers import CLOSERS, OPENERS, SKILLS


def exchange(example: Example) -> tuple[str, str]:
    """A question and its answer, in whichever form."""
    if isinstance(example, Text):
        return example.prompt, example.text.removeprefix(" ")
    question, answer = example.messages
    return question.content, answer.content


def frame_and_number(example: Example) -> tuple[str, int]:
    """A question without its number, which names its skill too; and the number."""
    question, _ = exchange(example)
    (number,) = re.findall(r"\d+", question)
    return question.replace(number, "{}"), int(number)


def skill_of(frame: str) -> int:
    return next(
        index
        for index, skill in enumerate(SKILLS)
        if any(core in frame.lower() for core in skill.cores)
    )


@pytest.fixture(scope="module")
def halves() -> tuple[list[Example], list[Example]]:
    return numbers.examples()


def test_the_halves_share_no_frame_and_no_skill_shares_a_number(
    halves: tuple[list[Example], list[Example]],
) -> None:
    train, held_out = ([frame_and_number(each) for each in half] for half in halves)

    assert (len(train), len(held_out)) == (10_000, 300)
    assert not {frame for frame, _ in train} & {frame for frame, _ in held_out}
    learnt = {(skill_of(frame), number) for frame, number in train}
    asked = {(skill_of(frame), number) for frame, number in held_out}
    assert {skill for skill, _ in asked} == set(range(len(SKILLS)))
    assert not learnt & asked


def test_every_part_of_a_frame_is_learnt_in_some_frame(
    halves: tuple[list[Example], list[Example]],
) -> None:
    frames = {frame_and_number(each)[0] for each in halves[0]}

    for skill in SKILLS:
        for core in skill.cores:
            assert any(core in frame.lower() for frame in frames)
    assert all(any(frame.startswith(opener) for frame in frames) for opener in OPENERS)
    assert all(any(frame.endswith(closer) for frame in frames) for closer in CLOSERS)


@pytest.mark.parametrize(
    ("skill", "number", "answer"),
    [
        (0, 7, "From 7 on: 8, 9, 10, 11, 12, 13."),
        (1, 7, "From 7 back: 6, 5, 4, 3, 2, 1."),
        (2, 98, "After 98 comes 99."),
        (3, 1, "Before 1 comes 0."),
    ],
)
def test_answers_are_as_worked_out_by_hand(skill: int, number: int, answer: str) -> None:
    assert SKILLS[skill].answer(number) == answer


def test_no_question_leads_out_of_the_numbers_that_are_known() -> None:
    said = [skill.answer(number) for skill in SKILLS for number in skill.numbers]

    found = [int(number) for answer in said for number in re.findall(r"-?\d+", answer)]
    assert (min(found), max(found)) == (0, 99)


def test_one_question_in_two_is_a_conversation(halves: tuple[list[Example], list[Example]]) -> None:
    texts = sum(isinstance(example, Text) for example in halves[0])

    assert texts == pytest.approx(5000, abs=300)
