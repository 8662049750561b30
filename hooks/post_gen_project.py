"""Lay the chosen layers over the new repository, and reduce the lock to what it requires.

``layers/<feature>/`` holds what a feature brings, ``layers/<feature>+<feature>/`` what features
bring together. The features are the answers, and what ``_shares`` in ``cookiecutter.json`` adds.
Knows none of them by name.
"""

import json
import re
import shutil
import sys
import tomllib
from pathlib import Path

ANSWERS = json.loads(r"""
{{ cookiecutter | tojson }}
""")
FEATURES = set(ANSWERS["__features"].split())


def reduce_lock(lock: Path, pyproject: Path) -> None:
    """Leave in *lock* what *pyproject* requires, as ``make lock`` would write it."""
    document = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    project = document["project"]
    sources = {f"{project['name']} (pyproject.toml)": project["dependencies"]}
    for group, requirements in document["dependency-groups"].items():
        sources[f"{project['name']} (pyproject.toml:{group})"] = requirements
    direct: dict[str, set[str]] = {}
    for source, requirements in sources.items():
        for name in re.findall(r"^[\w.-]+", "\n".join(requirements), re.MULTILINE):
            direct.setdefault(re.sub(r"[-_.]+", "-", name).lower(), set()).add(source)

    header, *entries = re.split(r"^(?=\w)", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    pins = []  # (name, lines of the pin, packages that require it)
    for entry in entries:
        pin, _, via = entry.partition("    # via")
        pins.append((re.split(r"[^\w-]", pin)[0], pin, re.findall(r"[\w-]+(?=\n)", via)))
    kept = set(direct)
    while more := {name for name, _, parents in pins if kept.intersection(parents)} - kept:
        kept |= more

    with lock.open("w", encoding="utf-8", newline="\n") as file:
        file.write(header)
        for name, pin, parents in pins:
            via = sorted(direct.get(name, ())) + [each for each in parents if each in kept]
            if via:
                between = " " if len(via) == 1 else "\n    #   "
                file.write(f"{pin}    # via{between}{between.join(via)}\n")


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
reduce_lock(Path("requirements.lock"), Path("pyproject.toml"))
