"""Entities of checkpoints are those of transformers' pipeline, whatever the scheme of the tags."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from transformers import (
    BertConfig,
    BertForTokenClassification,
    PreTrainedTokenizerFast,
    TokenClassificationPipeline,
)

from model import network
from model.preprocess import Task
from service.encoding import TOKENIZER
from service.lifecycle import engine
from service.lifecycle.source import resolve
from service.lifecycle.start import learn_tokenizer, start
from service.manifest import Manifest
from service.settings import Settings

Pipeline: Any = TokenClassificationPipeline
FastTokenizer: Any = PreTrainedTokenizerFast
SENTENCE = "Ada Lovelace met Alan Turing in London and Paris, said Jean-Luc of Acme Corp."
TEXTS = [
    SENTENCE,
    "Ada Lovelace Alan Turing London Paris",
    "Ada  London\n",
    " \u00a0Paris, Acme Corp. ",
    "in in Ada said London of of Paris",
    "Alan",
    "東京 Ada,London 👋🏽 Grüße",
    "Turingham Parisian Londoners Alana Corporate",
]
SCHEMES = {
    "IO": ["O", "LOC", "PER"],
    "IOB1": ["O", "I-LOC", "I-PER", "B-LOC", "B-PER"],
    "IOB2": ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"],
    "BIOES": ["O", *(f"{prefix}-{label}" for label in ("LOC", "PER") for prefix in "BIES")],
    "without O": ["LOC", "PER"],
}
KNOWN_TO_TRANSFORMERS = {"S": "B", "E": "I"}
"""It takes the other prefixes of BIOES for a part of the label."""


@pytest.fixture(scope="module")
def tokenizer() -> bytes:
    return learn_tokenizer([SENTENCE] * 3, vocabulary_size=200, lowercase=False)


def train(model: Any, tokens: PreTrainedTokenizerFast) -> None:
    """Let *model* learn one tag for each token."""
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    inputs = tokens(TEXTS, padding=True, return_tensors="pt")
    labels = inputs["input_ids"] % model.config.num_labels
    for _ in range(80):
        loss = model(**inputs, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.3


@pytest.mark.parametrize("is_trained", [False, True], ids=["random", "trained"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_entities_are_those_of_transformers(
    tmp_path: Path, tokenizer: bytes, scheme: str, *, is_trained: bool
) -> None:
    tags = SCHEMES[scheme]
    tokens = FastTokenizer(
        tokenizer_object=Tokenizer.from_str(tokenizer.decode()),
        pad_token="[PAD]",  # noqa: S106 - no password
        unk_token="[UNK]",  # noqa: S106
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokens),
        hidden_size=32,
        intermediate_size=48,
        num_attention_heads=4,
        num_hidden_layers=2,
        max_position_embeddings=64,
        initializer_range=0.1 if is_trained else 0.5,
        id2label=dict(enumerate(tags)),
    )
    model: Any = BertForTokenClassification(config)
    if is_trained:
        train(model, tokens)
    model.eval().save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes(tokenizer)
    for index, tag in enumerate(tags):
        prefix, dash, label = tag.partition("-")
        model.config.id2label[index] = KNOWN_TO_TRANSFORMERS.get(prefix, prefix) + dash + label
    pipeline: Any = Pipeline(model=model, tokenizer=tokens)
    find = served(tmp_path, tags)

    total = 0
    for text in TEXTS:
        for strategy in ("first", "simple"):
            if strategy == "simple" and any("##" in each for each in tokens.tokenize(text)):
                continue  # it tags the pieces of a word apart
            expected = pipeline(text, aggregation_strategy=strategy)
            assert find(text) == [
                (each["entity_group"], each["start"], each["end"]) for each in expected
            ], (text, strategy)
            total += len(expected)
    assert total > 20


def served(folder: Path, tags: list[str]) -> Any:
    """What finds the entities of a text, as the service does with the checkpoint in *folder*."""
    checkpoint = resolve(str(folder))
    begun = start(checkpoint, [], vocabulary_size=0, lowercase=False)
    model = network.from_checkpoint(folder, begun.parameters, len(tags))
    signature = begun.parameters.signature(len(tags))
    (folder / TOKENIZER).parent.mkdir()
    (folder / TOKENIZER).write_bytes(begun.tokenizer)
    facts: dict[str, Any] = {
        "labels": checkpoint.labels("ForTokenClassification"),
        "parameters": begun.parameters.model_dump(),
        "signature": signature,
        "files": {},
        "scores": "logits",
    }
    task = Task(folder, Manifest.model_construct(**facts), Settings())

    def find(text: str) -> list[tuple[str, int, int]]:
        prepared = task.preprocess(text)
        batch = {name: array[None] for name, array in prepared.arrays.items()}
        outputs = engine.predict(model, signature, batch)
        found = task.postprocess(prepared, {name: array[0] for name, array in outputs.items()})
        return [(each.label, each.start, each.end) for each in found.prediction]

    return find
