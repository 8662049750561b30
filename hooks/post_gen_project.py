"""Lay the chosen layers over the new repository, and remove the folder of layers.

``layers/<question>/<answer>/`` holds what an answer brings, ``layers/<question>+<question>/
<answer>+<answer>/`` what answers bring together. Knows no question and no answer by name.
"""

import json
import shutil
import sys
from pathlib import Path

ANSWERS = json.loads(r"""
{{ cookiecutter | tojson }}
""")


def is_chosen(layer: Path) -> bool:
    """Whether every question of *layer* was answered as its name says."""
    questions, answers = layer.parent.name.split("+"), layer.name.split("+")
    return answers == [ANSWERS.get(name, ANSWERS.get(f"__{name}")) for name in questions]


laid: dict[Path, Path] = {}
for layer in sorted(filter(is_chosen, Path("layers").glob("*/*"))):
    for source in sorted(path for path in layer.rglob("*") if path.is_file()):
        target = source.relative_to(layer)
        if target.exists():
            other = laid.get(target, "the files that were there before the layers")
            sys.exit(f'"{target}" comes from {layer} and from {other}; layers share no file.')
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(source, target)
        laid[target] = layer
shutil.rmtree("layers")
