"""Lay the chosen layers over the new repository, and leave in files what was chosen.

``layers/<feature>/`` holds what a feature brings, ``layers/<feature>+<feature>/`` what features
bring together. The features are the answers, and what ``_shares`` in ``cookiecutter.json`` adds.
A table that all repositories have, but with other rows, is one Python file with the rows of all,
those of some features between ``# only: <feature>[+<feature>] [| ...]`` and ``# end``; in HTML both
are comments. A file of which nothing is left is not there. Knows no feature by name.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ANSWERS = json.loads(r"""
{{ cookiecutter | tojson }}
""")
FEATURES = set(ANSWERS["__features"].split())

REGION = re.compile(
    r"^ *(?:#|<!--) only: (.+?)(?: -->)?\n((?:.*\n)*?) *(?:# end|<!-- end -->)\n", re.MULTILINE
)


def choose_regions(path: Path) -> None:
    """Leave in *path* the regions of what was chosen, without their marks."""
    text = path.read_text(encoding="utf-8")
    chosen = REGION.sub(lambda region: region[2] if is_chosen(region[1]) else "", text)
    if chosen == "" != text:
        path.unlink()
    elif chosen != text:
        path.write_text(chosen, encoding="utf-8", newline="\n")


def is_chosen(features: str) -> bool:
    """Whether all of *features* were chosen: ``a+b``, or one of ``a+b | c``."""
    return any(FEATURES.issuperset(each.strip().split("+")) for each in features.split("|"))


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
for layer in sorted(each for each in Path("layers").iterdir() if is_chosen(each.name)):
    for source in sorted(path for path in layer.rglob("*") if path.is_file()):
        target = source.relative_to(layer)
        if target.exists():
            other = laid.get(target, "the files that were there before the layers")
            sys.exit(f'"{target}" comes from {layer} and from {other}; layers share no file.')
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(source, target)
        laid[target] = layer
shutil.rmtree("layers")
for path in sorted(each for kind in ("py", "yaml", "html") for each in Path().rglob(f"*.{kind}")):
    choose_regions(path)
reduce_lock(Path("requirements.lock"), Path("pyproject.toml"))


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


def git(*words: str) -> str:
    """What git says of the template; nothing where that is no clone, or git is missing."""
    try:
        command = ["git", "-C", ANSWERS["_repo_dir"], *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def remember_origin() -> None:
    """Write what cruft would: answers, address and commit of the template, for ``make update``."""
    template = Path(os.environ.get("PWD", ""), ANSWERS["_template"])
    address = str(template.resolve()) if template.exists() else git("remote", "get-url", "origin")
    address = re.sub(r"^(https?://)[^/]*@", r"\1", address)  # a password, or a token
    commit = git("rev-parse", "HEAD")
    if not (Path(ANSWERS["_repo_dir"], ".git").exists() and address and commit):
        return
    answers = {name: answer for name, answer in ANSWERS.items() if not name.startswith("_")}
    answers |= {"_template_version": ANSWERS["_template_version"]}
    state: dict[str, object] = {"template": address, "commit": commit, "checkout": None}
    state |= {"context": {"cookiecutter": answers}, "directory": None}
    Path(".cruft.json").write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")


if "_output_dir" in ANSWERS:  # cookiecutter; cruft renders in temporary folders, too
    remember_origin()
    print(next_steps(Path.cwd()))
