"""Texts and conversations to learn from, as they lie in files."""

from pathlib import Path
from typing import Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from sklearn.model_selection import train_test_split

from service.errors import OwnerError, first_fault

HELD_OUT_SHARE = 0.1
SPLIT_SEED = 0
"""Fixed, whatever the training's seed, so that candidates are judged by the same examples."""

FEWEST_EXAMPLES = 20
"""Fewer are refused: too few to learn from and to be judged by."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Message(_Record):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str = Field(min_length=1)


class Conversation(_Record):
    """A conversation; what the assistant says is to be learnt."""

    messages: tuple[Message, ...] = Field(strict=False)

    @model_validator(mode="after")
    def _has_an_answer(self) -> Self:
        if not any(message.role == "assistant" for message in self.messages[1:]):
            raise ValueError("a conversation needs a message and an answer of the assistant")
        return self


class Text(_Record):
    """A text; all of it is to be learnt, or what follows the prompt where there is one."""

    prompt: str = ""
    text: str = Field(min_length=1)


Example: TypeAlias = Conversation | Text


def read(path: Path) -> tuple[list[Example], list[Example]]:
    """Examples to learn from, and held-out ones.

    *path* is JSON Lines, or a folder with ``train.jsonl`` and perhaps ``held-out.jsonl``.
    """
    file = path / "train.jsonl" if path.is_dir() else path
    train = _read_lines(file)
    if len(train) < FEWEST_EXAMPLES:
        raise OwnerError(
            f'"{file}" has {len(train)} examples; at least {FEWEST_EXAMPLES} are needed. Add some.'
        )
    held_out_file = path / "held-out.jsonl"
    if not held_out_file.is_file():
        first, second = train_test_split(train, test_size=HELD_OUT_SHARE, random_state=SPLIT_SEED)
        return first, second
    held_out = _read_lines(held_out_file)
    if shared := len(set(train) & set(held_out)):
        raise OwnerError(
            f'"{held_out_file}" shares {shared} examples with "{file}", so it would judge by what '
            f"was learnt. Remove them from one."
        )
    return train, held_out


def _read_lines(path: Path) -> list[Example]:
    """The examples in *path*, without those that are there already."""
    if not path.is_file():
        raise OwnerError(
            f'There is no file "{path}". --data takes a file in JSON Lines, or a folder with such '
            f'a file "train.jsonl".'
        )
    lines = enumerate(path.read_bytes().splitlines(), start=1)
    examples = [
        _example(f'"{path}", line {number}', line) for number, line in lines if line.strip()
    ]
    return list(dict.fromkeys(examples))


def _example(where: str, line: bytes) -> Example:
    kind = Conversation if b'"messages"' in line else Text
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        raise OwnerError(
            f"{where}: {first_fault(error, 'the line')}. A line must be like "
            '{"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": '
            '"Hi!"}]}, or like {"text": "Once upon a time."}.'
        ) from None
