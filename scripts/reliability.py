"""Run the tests that docs/reliability.md names; prints each fault with how they ended.

With words in the command line: those of the faults that have one of them.
"""

import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parent.parent
sys.path += [str(ROOT / "tests"), str(ROOT / "tests" / "tools")]

from bakes import Bakes  # noqa: E402
from environments import shared_environment  # noqa: E402
from machinery import CHOSEN, lay_over  # noqa: E402
from matrix import COMBINATIONS, Combination, name_of, without_ci  # noqa: E402

TABLE = ROOT / "docs" / "reliability.md"
COLUMNS = 4
CONTRACT = "predict+in-process"
"""Where tests of the contract, which every repository has, are run: with this folder's."""


def faults() -> Iterator[tuple[str, list[str]]]:
    """Each row's fault and tests: paths below ``tests``, some with ``::`` and a test's name."""
    tests: list[str] = []
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        cells = line.split(" | ")
        if len(cells) == COLUMNS and cells[1] != "test":
            tests = tests if cells[1] == "same" else re.findall(r"`([^`]+)`", cells[1])
            yield cells[0].removeprefix("| "), tests


def row_of(test: str) -> Combination | None:
    """The repository in which *test* is run; ``None`` for the template itself."""
    kind, folder = test.split("/")[:2]
    if kind == "render":
        return None
    wanted = folder if kind == "machinery" else CONTRACT
    return next(row for row, names in CHOSEN if wanted in names)


def path_of(test: str) -> str:
    """Where *test* lies when it is run."""
    return re.sub(r"^machinery/[^/]+/", "", test) if "machinery/" in test else f"tests/{test}"


def outcomes(python: Path, folder: Path, tests: list[str]) -> dict[str, list[str]]:
    """How the cases of *tests* ended: passed, skipped, failure, error."""
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        command = [str(python), "-m", "pytest", "-q", *map(path_of, tests)]
        subprocess.run([*command, f"--junitxml={report.name}"], cwd=folder, check=False)
        cases = ET.parse(report.name).iter("testcase")  # noqa: S314  # pytest's own
        found = [
            (
                f"{case.attrib['classname'].replace('.', '/')}.py::{case.attrib['name']}",
                next((each.tag for each in case if not each.tag.startswith("sys")), "passed"),
            )
            for case in cases
        ]
    ended: dict[str, list[str]] = defaultdict(list)
    for test in tests:
        wanted = re.compile(re.escape(path_of(test)) + (r"(\[.*)?" if "::" in test else r"::.*"))
        ended[test] = [how for name, how in found if wanted.fullmatch(name)]
    return ended


def main() -> None:
    """Run them, repository by repository; fails where one has not passed."""
    words = sys.argv[1:]
    table = [row for row in faults() if not words or any(word in row[0] for word in words)]
    if not table:
        sys.exit(f"No fault in {TABLE.name} has one of the words {' '.join(words)!r}.")
    groups: dict[str, tuple[Combination | None, list[str]]] = {}
    for test in dict.fromkeys(test for _, tests in table for test in tests):
        row = row_of(test)
        groups.setdefault(name_of(row) if row else "", (row, []))[1].append(test)
    ended: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        bakes = Bakes(Path(folder) / "bakes")
        bakes.folder.mkdir()
        if not words:
            bakes.all(without_ci(COMBINATIONS))
        for name, (row, tests) in groups.items():
            if row is None:
                ended |= outcomes(Path(sys.executable), ROOT, tests)
                continue
            repo = bakes.copy(Path(folder) / name, **row)
            lay_over(repo, row)
            venv = shared_environment(row["backend"], bakes.once)
            ended |= outcomes(venv / "bin" / "python", repo, tests)
    is_fine = True
    for fault, tests in table:
        found = [how for test in tests for how in ended[test] or ["error"]]
        is_fine = is_fine and {"passed"} <= set(found) <= {"passed", "skipped"}
        counts = ", ".join(f"{found.count(how)} {how}" for how in sorted(set(found)))
        print(f"{counts:24} {fault}")
    sys.exit(not is_fine)


if __name__ == "__main__":
    main()
