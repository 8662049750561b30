"""Lay the chosen layers over the new repository, and remove the folder of layers.

``layers/<feature>/`` holds what a feature brings, ``layers/<feature>+<feature>/`` what features
bring together. The features are the answers, and what ``_shares`` in ``cookiecutter.json`` adds.
Knows none of them by name.
"""

import json
import shutil
import sys
from pathlib import Path

ANSWERS = json.loads(r"""
{{ cookiecutter | tojson }}
""")
FEATURES = set(ANSWERS["__features"].split())

laid: dict[Path, Path] = {}
for layer in sorted(
    each for each in Path("layers").iterdir() if FEATURES.issuperset(each.name.split("+"))
):
    for source in sorted(path for path in layer.rglob("*") if path.is_file()):
        target = source.relative_to(layer)
        if target.exists():
            other = laid.get(target, "the files that were there before the layers")
            sys.exit(f'"{target}" comes from {layer} and from {other}; layers share no file.')
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(source, target)
        laid[target] = layer
shutil.rmtree("layers")
