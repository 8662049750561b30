"""Lay the chosen layers over the new repository, and remove the folder of layers.

``layers/<question>/<answer>/`` holds what an answer brings, ``layers/<question>+<question>/
<answer>+<answer>/`` what answers bring together. Knows no question and no answer by name.
"""

import json
import os
import shlex
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


def next_steps(folder: Path) -> str:
    """What was made, where, and what to type next."""
    chosen = [answer for answer in ANSWERS.values() if isinstance(answer, str)]
    start = [line for answer in chosen for line in ANSWERS["_start"].get(answer, [])]
    first_start = [
        ANSWERS["_first_start"][answer] for answer in chosen if answer in ANSWERS["_first_start"]
    ]
    is_here = str(folder.parent) == os.environ.get("PWD")  # where cookiecutter was called
    commands = [f"cd {shlex.quote(folder.name if is_here else str(folder))}", *start]
    publish = [
        "git init -b main",
        'git add -A && git commit -m "First version"',
        "git remote add origin ADDRESS",
        "git push -u origin main",
    ]
    return "\n".join(
        [
            f'\nMade "{ANSWERS["project_name"]}" in {folder}. Try it:\n',
            *(f"    {line}" for line in commands),
            "",
            *first_start,
            "It ends with the address to open. Then publish it to an empty repository:\n",
            *(f"    {line}" for line in publish),
        ]
    )


if "_output_dir" in ANSWERS:  # cookiecutter; cruft renders in temporary folders, too
    print(next_steps(Path.cwd()))
