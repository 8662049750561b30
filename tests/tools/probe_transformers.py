"""Write small checkpoints as transformers saves them, with what transformers answers.

``python probe_transformers.py FOLDER``, by a Python that has transformers: for each task and family
a folder, with ``asked.npz``, a batch of tokens, ``answered.npz``, the logits, and ``said.json``,
the same tokens as texts, with what a pipeline of transformers says of each.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

from families import FAMILIES, NEW_TOKENS, WORDS

PIPELINES: dict[str, dict[str, Any]] = {
    "text-classification": {"top_k": None},
    "token-classification": {"aggregation_strategy": "simple"},
    "text-generation": {
        "max_new_tokens": NEW_TOKENS,
        "do_sample": False,
        "return_full_text": False,
    },
}


def write(folder: Path, name: str, options: dict[str, Any]) -> None:
    """Make the checkpoint, and ask it."""
    torch.manual_seed(0)
    maker = getattr(transformers, name)
    model = maker(maker.config_class(**options)).eval()
    model.save_pretrained(folder)
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=WORDS[1]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    tokens = torch.randint(5, len(WORDS), (3, 12))
    with torch.inference_mode():
        logits = model(input_ids=tokens).logits.numpy()
    np.savez(folder / "asked.npz", tokens=tokens.numpy())
    np.savez(folder / "answered.npz", logits=logits)
    known = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token=WORDS[1], pad_token=WORDS[0]
    )
    task = folder.parent.name
    ask = transformers.pipeline(task, model=model, tokenizer=known, **PIPELINES[task])
    texts = [" ".join(WORDS[token] for token in row) for row in tokens]
    said = [[text, *ask([text])] for text in texts]
    (folder / "said.json").write_text(json.dumps(said, default=float))


if __name__ == "__main__":
    for path, configuration in FAMILIES.items():
        write(Path(sys.argv[1]) / path, path.partition("/")[2], configuration)
