"""What the starter learns: to count, which number comes before and after another, and its tokens.

A question is a frame (an opener, a core, a closer) filled with a number. Held-out questions share
neither their numbers nor their frame with those that are learnt from, skill by skill, so an answer
cannot be known by heart. Every opener, core and closer is learnt in some frame.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from tokenizers.trainers import BpeTrainer

from service.lifecycle.labelled import Conversation, Example, Message, Text

ORIGIN = (
    "Questions about the whole numbers from 0 to 99, made by a program that comes with this "
    "project. Held-out questions have other numbers and other frames of words than those that "
    "were learnt from."
)

LIMIT = 100
COUNT = 6
"""How many numbers the starter counts."""
TRAIN_EXAMPLES = 10_000
HELD_OUT_EXAMPLES = 300
HELD_OUT_SHARE = 0.1
SEED = 0

OPENERS = ("", "Please ", "Could you ", "Now ", "I want you to ")
CLOSERS = ("", ".", "!", "?", ", thank you.", " for me.")


@dataclass(frozen=True)
class Skill:
    """One kind of question.

    Args:
        cores: the question without its first capital and its last mark.
        answer: what is to be said to the number.
        numbers: all that can be asked about.
    """

    cores: tuple[str, ...]
    answer: Callable[[int], str]
    numbers: tuple[int, ...]


def _listed(numbers: range) -> str:
    return ", ".join(map(str, numbers)) + "."


_NUMBERS = tuple(range(LIMIT))

SKILLS = (
    Skill(
        ("count on from {}", "go on counting from {}", "count up from {}"),
        lambda a: f"From {a} on: {_listed(range(a + 1, a + 1 + COUNT))}",
        _NUMBERS[:-COUNT],
    ),
    Skill(
        ("count back from {}", "count backwards from {}", "count down from {}"),
        lambda a: f"From {a} back: {_listed(range(a - 1, a - 1 - COUNT, -1))}",
        _NUMBERS[COUNT:],
    ),
    Skill(
        ("tell me what comes after {}", "name the number after {}", "say what follows {}"),
        lambda a: f"After {a} comes {a + 1}.",
        _NUMBERS[:-1],
    ),
    Skill(
        ("tell me what comes before {}", "name the number before {}", "say what precedes {}"),
        lambda a: f"Before {a} comes {a - 1}.",
        _NUMBERS[1:],
    ),
)


def examples() -> tuple[list[Example], list[Example]]:
    """Examples to learn from, and held-out ones; the same each time."""
    chance = random.Random(SEED)  # noqa: S311 - nothing secret
    halves = [_split(skill, chance) for skill in SKILLS]
    train = _asked([first for first, _ in halves], chance)
    held_out = _asked([second for _, second in halves], chance)
    return (
        [next(train) for _ in range(TRAIN_EXAMPLES)],
        [next(held_out) for _ in range(HELD_OUT_EXAMPLES)],
    )


@dataclass(frozen=True)
class _Half:
    """The frames and numbers that one half of the examples has for a skill."""

    skill: Skill
    frames: list[tuple[str, str, str]]
    numbers: list[int]


def _split(skill: Skill, chance: random.Random) -> tuple[_Half, _Half]:
    frames = list(product(enumerate(OPENERS), enumerate(skill.cores), enumerate(CLOSERS)))
    held_out_numbers = set(chance.sample(skill.numbers, int(len(skill.numbers) * HELD_OUT_SHARE)))

    def half(*, is_held_out: bool) -> _Half:
        return _Half(
            skill,
            [
                (opener, core, closer)
                for (i, opener), (j, core), (k, closer) in frames
                if ((i + j + k) % len(CLOSERS) == 0) == is_held_out
            ],
            [each for each in skill.numbers if (each in held_out_numbers) == is_held_out],
        )

    return half(is_held_out=False), half(is_held_out=True)


def _asked(halves: list[_Half], chance: random.Random) -> Iterator[Example]:
    """Questions with their answers, without an end: one in two as a plain text."""
    while True:
        half = chance.choice(halves)
        number = chance.choice(half.numbers)
        opener, core, closer = chance.choice(half.frames)
        question = f"{opener}{core}{closer}".format(number)
        question = question[0].upper() + question[1:]
        answer = half.skill.answer(number)
        if chance.random() < 0.5:  # noqa: PLR2004
            yield Text(prompt=question, text=f" {answer}")
        else:
            yield Conversation(
                messages=(
                    Message(role="user", content=question),
                    Message(role="assistant", content=answer),
                )
            )


def learn_tokenizer(
    texts: Sequence[str], *, vocabulary_size: int, special_tokens: Sequence[str]
) -> bytes:
    """Byte pairs, as GPT-2 has them: texts in any language can be written. Same texts, same pairs.

    Args:
        texts: to learn from.
        vocabulary_size: most tokens, the 256 bytes and the special ones included.
        special_tokens: that texts are put together with; their ids count from 0.

    Returns:
        The content of a ``tokenizer.json``.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=list(special_tokens),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer.to_str().encode()
