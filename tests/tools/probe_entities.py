"""Find entities with a generated repository's code and network, begun with checkpoints.

``python probe_entities.py FOLDER``, by the repository's Python, with ``src`` on its path; FOLDER is
one that ``probe_transformers_entities.py`` wrote. Prints as JSON, by checkpoint, how many entities
are given, how many have a neighbour of another label, and the texts whose entities are others than
transformers'.
"""

import json
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from model import network
from model.preprocess import Task
from service.lifecycle import engine, start
from service.lifecycle.source import resolve
from service.settings import Settings


def probe(folder: Path) -> dict[str, Any]:
    """Ask one checkpoint."""
    checkpoint = resolve(str(folder))
    begun = start.start(checkpoint, [], vocabulary_size=0, lowercase=False)
    (folder / "tokenizer").mkdir(exist_ok=True)
    (folder / "tokenizer" / "tokenizer.json").write_bytes(begun.tokenizer)
    tags = checkpoint.labels("ForTokenClassification")
    assert tags
    signature = begun.parameters.signature(len(tags))
    manifest: Any = SimpleNamespace(
        parameters=begun.parameters.model_dump(),
        labels=tags,
        signature=signature,
        scores="logits",
        files={},
    )
    task = Task(folder, manifest, Settings())
    model = network.from_checkpoint(folder, begun.parameters, len(tags))
    given, touching, others = 0, 0, []
    answers = json.loads((folder / "answered.json").read_bytes())
    texts = json.loads((folder / "asked.json").read_bytes())
    prepared = [task.preprocess(text) for text in texts]
    batch = {  # all have as many tokens
        name: np.stack([each.arrays[name] for each in prepared]) for name in prepared[0].arrays
    }
    outputs = engine.predict(model, signature, batch)
    for row, (text, wanted) in enumerate(zip(texts, answers, strict=True)):
        answered = {name: array[row] for name, array in outputs.items()}
        entities = task.postprocess(prepared[row], answered).prediction
        found = [[each.label, each.start, each.end] for each in entities]
        given += len(found)
        touching += sum(
            left[0] != right[0] and not text[left[2] : right[1]].strip()
            for left, right in pairwise(found)
        )
        if found != wanted:
            others.append([text, found, wanted])
    return {"entities": given, "touching": touching, "others": others}


if __name__ == "__main__":
    folders = sorted(path.parent for path in Path(sys.argv[1]).rglob("asked.json"))
    root = Path(sys.argv[1])
    print(json.dumps({str(each.relative_to(root)): probe(each) for each in folders}))
