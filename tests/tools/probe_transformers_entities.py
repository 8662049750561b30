"""Write small checkpoints that tag tokens, with the entities that transformers finds.

``python probe_transformers_entities.py FOLDER``, by a Python that has transformers: a folder for
each scheme of tags, one with random weights and one that has learnt tags by heart; and with each
``asked.json``, texts, and ``answered.json``, for each text label, start and end of its entities as
``aggregation_strategy="simple"`` gives them.
"""

import json
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BertConfig,
    BertForTokenClassification,
    PreTrainedTokenizerFast,
    TokenClassificationPipeline,
)

from families import BERT, WORDS

SCHEMES = {
    "IO": "O A B C",
    "IO-without-O": "A B C",
    "IOB1": "O I-A B-A I-B B-B I-C B-C",
    "IOB2": "O B-A I-A B-B I-B B-C I-C",
    "BIOES": "O B-A I-A E-A S-A B-B I-B E-B S-B",
    "BILOU": "O b_A i_A l_A u_A b_B i_B l_B u_B",
}
"""Tags by the names of their schemes."""

SIMPLE = {"B": "B", "S": "B", "U": "B", "I": "I", "E": "I", "L": "I"}
"""Prefixes as ``simple`` knows them, which knows two."""

TEXTS = 16
EPOCHS = 40


def tokenizer() -> Tokenizer:
    """Each word is a token; so is each character of a script without spaces."""
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    known = Tokenizer(models.WordLevel(vocabulary, unk_token=WORDS[1]))
    known.pre_tokenizer = pre_tokenizers.Whitespace()
    return known


def write(folder: Path, tags: list[str], *, learns: bool) -> None:
    """Make the checkpoint, and ask it."""
    torch.manual_seed(0)
    names = dict(enumerate(tags))
    model = BertForTokenClassification(BertConfig(**BERT, num_labels=len(tags), id2label=names))
    tokens = torch.randint(5, len(WORDS), (TEXTS, 12))
    if learns:
        wanted = torch.randint(len(tags), tokens.shape)
        optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
        for _ in range(EPOCHS):
            loss = model(input_ids=tokens, labels=wanted).loss
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    model.eval().save_pretrained(folder)
    known = tokenizer()
    known.save(str(folder / "tokenizer.json"))
    texts = [" ".join(WORDS[token] for token in row) for row in tokens]
    texts += [f"{texts[0]}  ", texts[1].replace(" ", "  "), f"\n{texts[2]}"]
    model.config.id2label = {
        number: f"{SIMPLE[tag[0].upper()]}-{tag[2:]}" if tag[1:2] in {"-", "_"} else tag
        for number, tag in names.items()
    }
    fast = PreTrainedTokenizerFast(tokenizer_object=known, unk_token=WORDS[1], pad_token=WORDS[0])
    ask = TokenClassificationPipeline(model=model, tokenizer=fast, aggregation_strategy="simple")
    answered = [[[e["entity_group"], e["start"], e["end"]] for e in ask(text)] for text in texts]
    (folder / "asked.json").write_text(json.dumps(texts))
    (folder / "answered.json").write_text(json.dumps(answered))


if __name__ == "__main__":
    torch.set_num_threads(1)
    for scheme, listed in SCHEMES.items():
        for kind, is_learnt in {"random": False, "trained": True}.items():
            write(Path(sys.argv[1]) / scheme / kind, listed.split(), learns=is_learnt)
