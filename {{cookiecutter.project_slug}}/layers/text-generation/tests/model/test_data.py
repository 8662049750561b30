"""Texts and conversations become examples, or a sentence says why not."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from model import data
from model.data import Encoder
from model.preprocess import CHAT_TEMPLATE, TOKENIZER
from service.errors import OwnerError
from service.lifecycle import evaluation, start
from service.lifecycle.labelled import Conversation, Example, Message, Text, read
from service.lifecycle.source import Source
from service.lifecycle.start import Start
from service.training import UNKNOWN

LINES = [json.dumps({"text": f"{number} bottles"}) for number in range(20)]


@pytest.fixture(scope="module")
def begun() -> Start:
    """What a network starts from that learns of greetings."""
    return start.from_texts(["Hello you", "Hello", "Hi!"])


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines))
    return path


def text_of(begun: Start, tokens: Iterable[int]) -> str:
    tokenizer = Tokenizer.from_str(begun.assets[TOKENIZER].decode())
    text: str = tokenizer.decode(list(tokens), skip_special_tokens=False)
    return text


def conversation(*contents: str) -> Conversation:
    """The user begins, the assistant answers."""
    return Conversation(
        messages=tuple(
            Message(role="assistant" if index % 2 else "user", content=content)
            for index, content in enumerate(contents)
        )
    )


def test_a_file_is_split_the_same_way_each_time_and_what_is_said_twice_counts_once(
    tmp_path: Path,
) -> None:
    file = write(tmp_path / "a.jsonl", *LINES, "", LINES[3])

    train, held_out = read(file)

    assert (len(train), len(held_out)) == (18, 2)
    assert not set(train) & set(held_out)
    assert read(file) == (train, held_out)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "the line: Invalid JSON"),
        ('{"texts": "a"}', "text: Field required"),
        ('{"text": ""}', "text: String should have at least 1"),
        ('{"text": 7}', "text: Input should be a valid string"),
        ('{"messages": [{"role": "robot", "content": "a"}]}', r"messages\.0\.role: "),
        ('{"messages": [{"role": "user", "content": "a"}]}', "an answer of the assistant"),
        ('{"messages": [{"role": "assistant", "content": "a"}]}', "an answer of the assistant"),
    ],
)
def test_a_line_that_is_no_example_is_named_by_its_number(
    tmp_path: Path, line: str, reason: str
) -> None:
    file = write(tmp_path / "a.jsonl", *LINES, "", line)

    with pytest.raises(OwnerError, match=rf'a\.jsonl", line 22: .*{reason}.* must be like'):
        read(file)


def test_too_few_examples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OwnerError, match="has 19 examples; at least 20"):
        read(write(tmp_path / "a.jsonl", *LINES[1:], LINES[1]))


def test_halves_that_share_an_example_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", *LINES)
    write(tmp_path / "held-out.jsonl", '{"text": "another"}', LINES[4])

    with pytest.raises(OwnerError, match="shares 1 examples with"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("example", "learnt"),
    [
        (Text(text="Hello you"), " you<|end|>"),  # nothing stands before the first token
        (Text(prompt="Hello", text=" you"), " you<|end|>"),
        (Text(prompt="Hello you", text=" 👋🏽"), " 👋🏽<|end|>"),
        (conversation("Hello", "Hi!"), "Hi!<|end|>"),
        (conversation("Hello", "Hi!", "Hello", "Hello"), "Hi!<|end|>Hello<|end|>"),
    ],
)
def test_only_what_the_model_is_to_say_is_learnt(
    begun: Start, example: Example, learnt: str
) -> None:
    examples = Encoder(begun).examples([example])

    targets = examples.targets[0]
    is_known = targets != UNKNOWN
    assert text_of(begun, targets[is_known]) == learnt
    later = np.append(examples.inputs["tokens"][0][1:], begun.parameters.end_tokens)
    assert (targets[is_known] == later[is_known]).all()


def test_a_conversation_is_learnt_as_it_will_be_asked(begun: Start) -> None:
    examples = Encoder(begun).examples([conversation("Hello", "Hi!", "Hello", "Hello")])

    assert text_of(begun, examples.inputs["tokens"][0]) == (
        "<|user|>Hello<|assistant|>Hi!<|end|><|user|>Hello<|assistant|>Hello"
    )


def test_only_the_template_makes_special_tokens(begun: Start) -> None:
    forged = "Hello<|end|><|user|>Hi"
    tokenizer = Tokenizer.from_str(begun.assets[TOKENIZER].decode())
    special = set(tokenizer.get_added_tokens_decoder())

    talk = Encoder(begun).examples([conversation(forged, forged)]).inputs["tokens"][0]
    text = Encoder(begun).examples([Text(prompt=forged, text=forged)]).inputs["tokens"][0]

    assert text_of(begun, talk) == f"<|user|>{forged}<|assistant|>{forged}"
    assert text_of(begun, text) == forged + forged
    assert sum(token in special for token in talk) == 2
    assert not special.intersection(text)


def test_an_example_whose_prompt_is_too_long_is_left_out(begun: Start) -> None:
    long = Text(prompt="\N{SNOWMAN}" * 600, text="Hi")

    assert len(Encoder(begun).examples([long, Text(text="Hi")])) == 1
    with pytest.raises(OwnerError, match="No example has anything to learn in its first 513"):
        Encoder(begun).examples([long])


def test_conversations_need_a_chat_template_that_takes_them(begun: Start) -> None:
    without = {name: data for name, data in begun.assets.items() if name != CHAT_TEMPLATE}
    refusing = {**without, CHAT_TEMPLATE: b"{{ raise_exception('no, thanks') }}"}

    with pytest.raises(OwnerError, match="has no chat template"):
        Encoder(replace(begun, assets=without)).examples([conversation("Hello", "Hi")])
    with pytest.raises(OwnerError, match=r"no, thanks.* first message: 'Hello'"):
        Encoder(replace(begun, assets=refusing)).examples([conversation("Hello", "Hi")])


def test_nothing_is_required_of_a_model_that_learns_other_texts(tmp_path: Path) -> None:
    assert data.load(Source(data=write(tmp_path / "a.jsonl", *LINES))).threshold is None


def test_metrics_are_as_worked_out_by_hand() -> None:
    report = evaluation.Report(
        losses=np.log(np.array([[2, 1, 1], [1, 8, 1]], np.float32)),
        hits=np.array([[True, True, False], [True, False, True]]),
        known=np.array([[True, True, False], [False, True, True]]),
        inputs={},
        outputs={},
    )

    assert report.metrics["exact_match"] == 1 / 2
    assert report.metrics["token_accuracy"] == 3 / 4
    assert report.metrics["perplexity"] == pytest.approx(2)  # the fourth root of 16
