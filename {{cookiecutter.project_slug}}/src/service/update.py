"""``make update``: merge a newer version of the template by cruft, and replace ``src/service``.

Git merges a change into a file of yours where it finds the file as the template had it before.
After the first update only the clone that was updated has that. So it is made once more here, and
put among this clone's objects; then cruft does the rest. cruft leaves ``src/service`` alone (see
``skip`` in ``pyproject.toml``): it becomes what the template has, whatever it was before.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

STATE = Path(".cruft.json")
SERVICE = Path("src/service")
CRUFT = [sys.executable, "-m", "cruft"]
GIT = ["git", "-c", "core.quotePath=off"]


class UpdateError(Exception):
    """There is something for the owner to do."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m service.update", description=__doc__)
    parser.add_argument(
        "--release", metavar="TAG", help="of the template; its newest version by default"
    )
    arguments = parser.parse_args()
    try:
        state = read_state(STATE)
        refuse_uncommitted()
        checkout = ["--checkout", find_release(state["template"], arguments.release)]
        with TemporaryDirectory() as old, TemporaryDirectory() as new:
            before = render(state, ["--checkout", state["commit"]], Path(old))
            after = render(state, checkout, Path(new))
            remember(before)
            changed = changed_files(SERVICE, before / SERVICE)
            names = version(state), version(read_state(after / STATE))
            sys.stdout.write("From version {} of the template to version {}.\n".format(*names))
            work = to_do(changelog(state["template"], checkout[-1]), names[0].partition(" ")[0])
            sys.stdout.write(f"To do, as its CHANGELOG.md says:\n{work}\n" if work else "")
            run([*CRUFT, "update", "--skip-apply-ask", *checkout])
            shutil.rmtree(SERVICE)
            shutil.copytree(after / SERVICE, SERVICE)
            # The next update starts from what the state says.
            run([*GIT, "add", "--all", "--", str(SERVICE), str(STATE)])
        if changed:
            sys.stdout.write(
                f"{SERVICE} is replaced as a whole, and so are your changes in it, in "
                f"{', '.join(changed)}. The last commit has them: move them to src/model.\n"
            )
        refuse_unmerged()
    except UpdateError as error:
        sys.exit(f"error: {error}")


def read_state(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UpdateError(
            f'"{path}" is missing, so the version of the template is unknown. Take it from an '
            f'earlier commit, or let "cruft link" write it.'
        )
    state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return state


def refuse_uncommitted() -> None:
    status = subprocess.check_output([*GIT, "status", "--porcelain"], text=True)
    if status:
        names = ", ".join(line[3:] for line in status.splitlines())
        raise UpdateError(f'not committed: {names}. Commit or stash it, then "make update".')


def find_release(template: str, wanted: str | None) -> str:
    """The tag or commit to update to; :class:`UpdateError` where the template has none such."""
    listed = run([*GIT, "ls-remote", "--tags", "--refs", template])
    tags: list[str] = re.findall(r"refs/tags/(v\d+(?:\.\d+)+)$", listed, re.MULTILINE)
    tags.sort(key=lambda tag: [int(number) for number in tag[1:].split(".")])
    release = wanted or "".join(tags[-1:])
    if release in tags or re.fullmatch("[0-9a-f]{7,40}", release):
        return release
    known = ", ".join(tags) or "a version, once it has one"
    raise UpdateError(f'RELEASE is "{release}"; accepted: a commit of the template, or {known}.')


def run(command: list[str]) -> str:
    """What *command* writes."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().rpartition("\n")[2].strip()
        last = re.sub(r"(?<=://)[^\s/]*@", "", last)  # a password, or a token
        raise UpdateError(f"the template cannot be used: {last}")
    return done.stdout


def version(state: dict[str, Any]) -> str:
    """The version and the commit of the template that *state* tells of."""
    (context,) = state["context"].values()
    return f"{context['_template_version']} ({state['commit'][:7]})"


def changelog(template: str, release: str) -> str:
    """The template's CHANGELOG.md in *release*; empty where it has none."""
    with TemporaryDirectory() as folder:
        run([*GIT, "clone", "--quiet", "--no-checkout", template, folder])
        if not run([*GIT, "-C", folder, "ls-tree", "--name-only", release, "CHANGELOG.md"]):
            return ""
        return run([*GIT, "-C", folder, "show", f"{release}:CHANGELOG.md"])


def to_do(changes: str, since: str) -> str:
    """What *changes*, newest first, ask for in the versions after *since*."""
    news = re.split(rf"^## {re.escape(since)}\b", changes, maxsplit=1, flags=re.MULTILINE)[0]
    asked: list[str] = re.findall(r"(?ms)^### To do\n+(.+?)(?=\n+##|\Z)", news.rstrip())
    return "\n".join(asked)


def render(state: dict[str, Any], checkout: list[str], to: Path) -> Path:
    """The repository in *to* that a version of the template makes of this one's answers."""
    (context,) = state["context"].values()
    answers = {name: answer for name, answer in context.items() if not name.startswith("_")}
    create = [*CRUFT, "create", state["template"], *checkout, "--no-input"]
    create += ["--extra-context", json.dumps(answers), "--output-dir", str(to)]
    run(create)
    (repository,) = to.iterdir()
    return repository


def remember(repository: Path) -> None:
    """Put every file of *repository* among this clone's objects."""
    paths = [str(path) for path in repository.rglob("*") if path.is_file()]
    hash_object = [*GIT, "hash-object", "-w", "--no-filters", "--stdin-paths"]
    subprocess.run(
        hash_object, input="\n".join(paths), text=True, stdout=subprocess.DEVNULL, check=True
    )


def changed_files(folder: Path, origin: Path) -> list[str]:
    """The files of *folder* that are not as in *origin*, or in one of both only."""

    def contents(root: Path) -> dict[str, bytes]:
        paths = [path for path in root.rglob("*") if path.is_file() and path.suffix != ".pyc"]
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}

    return sorted(dict(contents(folder).items() ^ contents(origin).items()))


def refuse_unmerged() -> None:
    diff = [*GIT, "diff", "--name-only", "--diff-filter=U", "--relative"]
    conflicts = subprocess.check_output(diff, text=True).splitlines()
    others = [*GIT, "ls-files", "--others", "--exclude-standard", "--", "*.rej"]
    rejected = subprocess.check_output(others, text=True).splitlines()
    if conflicts or rejected:
        raise UpdateError(
            f"you and the template changed the same lines: {', '.join(conflicts + rejected)}. "
            f'Merge what is between "<<<<<<<" and ">>>>>>>", or make the change that a .rej '
            f'shows and remove it; then "git add" each.'
        )


if __name__ == "__main__":
    main()
