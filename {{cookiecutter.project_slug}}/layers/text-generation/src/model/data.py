"""Your texts: the examples that the model is trained on and judged by.

With ``--data PATH``, PATH is a file in JSON Lines, or a folder with such a file ``train.jsonl`` and
perhaps another, ``held-out.jsonl``. A line is a conversation or a text::

    {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi!"}]}
    {"text": "Once upon a time."}
    {"prompt": "Once upon", "text": " a time."}

Where nothing is held out, a tenth of the examples is. Without PATH, the starter's questions about
numbers. With ``--base-model`` alone, a checkpoint is taken as it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from jinja2 import TemplateError

from model.preprocess import CHAT_TEMPLATE, TOKENIZER
from service.chat import ChatTemplate, Plain, read_tokenizer
from service.errors import OwnerError
from service.lifecycle import numbers, start
from service.lifecycle.labelled import Conversation, Example, Text, read
from service.lifecycle.source import Source
from service.lifecycle.start import Start
from service.manifest import Arrays
from service.training import GOLDEN_EXAMPLES, UNKNOWN, Dataset, Examples, Recipe

IS_STARTER = True  # pipelines publish no starter: say False once these examples are yours

THRESHOLD = 0.9
"""A starter of which fewer answers are exactly right is not exported. Nothing is required of a
model that learns other texts: how well they can be foreseen depends on them."""

MAX_LENGTH = 512
"""Most tokens of one example; the end of a longer one is left out, and all of it where nothing that
is to be learnt comes before."""

STEP = 8
"""Batches of a training are cut to a multiple of so many tokens, so that few lengths occur."""

FROM_SCRATCH = Recipe(
    epochs=2,
    batch_size=16,
    peak_learning_rate=3e-3,
    warm_up_share=0.1,
    weight_decay=0.3,
    threads=1,
)
FINE_TUNING = Recipe(epochs=3, batch_size=16, peak_learning_rate=5e-5, warm_up_share=0.1)


def load(source: Source, version: Path | None = None) -> Dataset:
    """The examples of *source*, or the starter's.

    Args:
        source: what a training starts from.
        version: the folder of a model version, to have the examples as that model reads them;
            ``None`` to have them as a new one would.

    Raises:
        OwnerError: they are not laid out as they should be.
    """
    checkpoint = source.checkpoint()
    if source.data:
        train, held_out = read(source.data)
        origin = f"{len(train)} texts or conversations from a file."
    else:
        train, held_out = numbers.examples()
        origin = numbers.ORIGIN
    if version:
        begun = start.from_version(version)
    else:
        begun = start.from_checkpoint(checkpoint) if checkpoint else start.from_texts(_texts(train))
    is_as_it_is = checkpoint is not None and source.data is None
    if is_as_it_is and CHAT_TEMPLATE not in begun.assets:
        held_out = [example for example in held_out if isinstance(example, Text)]
    encoder = Encoder(begun)
    asked = encoder.examples(held_out[:GOLDEN_EXAMPLES] if is_as_it_is else held_out)
    if is_as_it_is:  # it is not judged by what it was not made for
        asked = Examples(asked.inputs, np.full_like(asked.targets, UNKNOWN))
    return Dataset(
        labels=[],
        parameters=begun.parameters,
        train=encoder.examples([] if is_as_it_is else train),
        held_out=asked,
        description="The base model is taken as it is. Here it learnt nothing."
        if is_as_it_is
        else origin,
        limits=[
            "It says what is likely, not what is true.",
            "Texts of another kind than those that it learnt from.",
        ],
        threshold=None if source.data or checkpoint else THRESHOLD,
        assets=begun.assets,
    )


class Encoder:
    """Examples -> tokens, and which of them are to be learnt.

    Args:
        begun: tokenizer and chat template.
    """

    def __init__(self, begun: Start) -> None:
        self._tokenizer = read_tokenizer(begun.assets[TOKENIZER].decode())
        self._plain = Plain(self._tokenizer)
        self._end = begun.parameters.end_tokens[0]
        self._length = min(MAX_LENGTH, begun.parameters.context_length) + 1
        template = begun.assets.get(CHAT_TEMPLATE)
        self._template = template and ChatTemplate(
            template.decode(), begun.parameters.special_tokens
        )

    def examples(self, examples: Sequence[Example]) -> Examples:
        """*examples* as arrays.

        Raises:
            OwnerError: there are conversations, and the model has no template for them; or the
                prompts of all examples are too long.
        """
        cut = (list(self._tokens(example))[: self._length] for example in examples)
        rows = [pairs for pairs in cut if any(is_learnt for _, is_learnt in pairs[1:])]
        if examples and not rows:
            raise OwnerError(
                f"No example has anything to learn in its first {self._length} tokens. Shorten "
                "the prompts."
            )
        length = max(map(len, rows), default=2)
        tokens = np.full((len(rows), length), self._end, np.int64)
        is_learnt = np.zeros((len(rows), length), bool)
        for row, pairs in enumerate(rows):
            tokens[row, : len(pairs)] = [token for token, _ in pairs]
            is_learnt[row, : len(pairs)] = [learnt for _, learnt in pairs]
        targets = np.where(is_learnt, tokens, UNKNOWN)[:, 1:]
        return Examples({"tokens": tokens[:, :-1]}, targets)

    def _tokens(self, example: Example) -> Iterator[tuple[int, bool]]:
        """Each token, and whether it is to be learnt."""
        if isinstance(example, Text):
            prompt, text = map(self._plain.text, (example.prompt, example.text))
            yield from self._encode(prompt, is_learnt=False, is_first=True)
            yield from self._encode(text, is_learnt=True, is_first=not prompt)
            yield self._end, True
            return
        for text, is_learnt in self._parts(example):
            yield from self._encode(text, is_learnt=is_learnt)

    def _encode(
        self, text: str, *, is_learnt: bool, is_first: bool = False
    ) -> Iterator[tuple[int, bool]]:
        ids = self._tokenizer.encode(text, add_special_tokens=is_first).ids if text else []
        return ((token, is_learnt) for token in ids)

    def _parts(self, conversation: Conversation) -> Iterator[tuple[str, bool]]:
        """The text of a conversation, cut where the assistant begins and ends."""
        messages = self._plain.messages([message.model_dump() for message in conversation.messages])
        written = ""
        for index, message in enumerate(messages, start=1):
            if message["role"] != "assistant":
                continue
            asked = self._render(messages[: index - 1], is_open=True)
            answered = self._render(messages[:index], is_open=False)
            yield asked.removeprefix(written), False
            yield answered.removeprefix(asked), True
            written = answered

    def _render(self, messages: Sequence[Mapping[str, str]], *, is_open: bool) -> str:
        if not self._template:
            raise OwnerError(
                "The data has conversations, and the base model has no chat template for them. "
                'Take another base model, or lines with "text".'
            )
        try:
            return self._template.render(messages, is_open=is_open)
        except TemplateError as error:
            raise OwnerError(
                f"The base model's chat template refuses a conversation of the data: {error}. "
                f"Its first message: {messages[0]['content'][:80]!r}. Mend or remove it."
            ) from None


def _texts(examples: Sequence[Example]) -> list[str]:
    """All that is written in *examples*."""
    texts = []
    for example in examples:
        if isinstance(example, Text):
            texts += [example.prompt, example.text]
        else:
            texts += [message.content for message in example.messages]
    return texts


def recipe(source: Source) -> Recipe:
    """How the network is trained on what *source* starts from."""
    return FINE_TUNING if source.base_model else FROM_SCRATCH


def make_batch(
    examples: Examples, chosen: npt.NDArray[np.intp], _random: np.random.Generator
) -> tuple[Arrays, npt.NDArray[Any]]:
    """One batch of a training, no longer than its texts.

    Returns:
        ``{"tokens": (N, T) int64}`` and ``(N, T) int64`` targets, T a multiple of :data:`STEP`.
    """
    targets = examples.targets[chosen]
    last = int(np.flatnonzero((targets != UNKNOWN).any(axis=0))[-1]) + 1
    length = -(-last // STEP) * STEP
    return {"tokens": examples.inputs["tokens"][chosen, :length]}, targets[:, :length]
