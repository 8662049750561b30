"""``make update``: merge a newer version of the template, by cruft, and say what is left to merge.

Git merges a change into a file of yours where it finds the file as the template had it before.
After the first update only the clone that was updated has that. So it is made once more here, and
put among this clone's objects; then cruft does the rest.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

STATE = Path(".cruft.json")
CRUFT = [sys.executable, "-m", "cruft"]


class UpdateError(Exception):
    """There is something for the owner to do."""


def main() -> None:
    """Run the command line; the exit status is 1 when something is left to do."""
    parser = argparse.ArgumentParser(prog="python -m service.update", description=__doc__)
    parser.add_argument("--release", metavar="TAG", help="of the template; its newest by default")
    arguments = parser.parse_args()
    try:
        state = read_state(STATE)
        remember(state)
        words = ["--checkout", arguments.release] if arguments.release else []
        subprocess.run([*CRUFT, "update", "--skip-apply-ask", *words], check=True)
        refuse_unmerged()
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
    except UpdateError as error:
        sys.exit(f"error: {error}")


def read_state(path: Path) -> dict[str, Any]:
    """What cruft knows of the template that this repository was made from.

    Raises:
        UpdateError: the file is not there.
    """
    try:
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UpdateError(
            f'"{path}" is missing, so the version of the template is unknown. '
            f'"cruft link" writes it; see "Updating" in README.md.'
        ) from None
    return state


def remember(state: dict[str, Any]) -> None:
    """Put every file, as the template had it at the last update, among this clone's objects."""
    (context,) = state["context"].values()
    answers = {name: answer for name, answer in context.items() if not name.startswith("_")}
    with TemporaryDirectory() as folder:
        create = [*CRUFT, "create", state["template"], "--checkout", state["commit"]]
        create += ["--no-input", "--extra-context", json.dumps(answers), "--output-dir", folder]
        subprocess.run(create, check=True)
        paths = [str(path) for path in Path(folder).rglob("*") if path.is_file()]
        hash_object = ["git", "hash-object", "-w", "--no-filters", "--stdin-paths"]
        subprocess.run(
            hash_object, input="\n".join(paths), text=True, stdout=subprocess.DEVNULL, check=True
        )


def refuse_unmerged() -> None:
    """Return when all of the update is merged.

    Raises:
        UpdateError: some is not; the message says where.
    """
    git = ["git", "-c", "core.quotePath=off"]
    diff = [*git, "diff", "--name-only", "--diff-filter=U", "--relative"]
    conflicts = subprocess.check_output(diff, text=True).splitlines()
    others = [*git, "ls-files", "--others", "--exclude-standard", "--", "*.rej"]
    rejected = subprocess.check_output(others, text=True).splitlines()
    if conflicts or rejected:
        raise UpdateError(
            f"you and the template changed the same lines: {', '.join(conflicts + rejected)}. "
            f'Merge what is between "<<<<<<<" and ">>>>>>>", or make the change that a .rej '
            f'shows and remove it; then "git add" each.'
        )


if __name__ == "__main__":
    main()
