"""Updates of generated repositories: what the template has new comes, what is the owner's stays.

The template's history is three commits or four: its last release where the clone has its tag, the
template as it stands here, and two versions after it, which change what versions change.
"""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from matrix import CONTEXT, ROOT, SKELETON, Combination
from shell import commit, git, refused, run
from tree import digests, files, text_of

ROWS: list[Combination] = [
    {
        "framework": "flask",
        "backend": "pytorch",
        "task": "text-classification",
        "serving": "in-process",
    },
    {
        "framework": "django",
        "backend": "tensorflow",
        "task": "image-classification",
        "serving": "model-server",
    },
]
IDS = ["in-process", "model-server"]
UNASKED = ["--no-input", "--default-config"]
OWN_SECTION = "\n## Who runs it\n\nThe reading room, by day and by night.\n"
UV = Path(sys.executable).parent / "uv"
PIN = re.compile(r"^[a-z0-9].*==[^ ]+", re.MULTILINE)
MARKS = re.compile(r"^(<{7}|={7}$|>{7})", re.MULTILINE)


def cruft(folder: Path, *words: str) -> str:
    """What cruft says to *words* in *folder*."""
    return run(sys.executable, "-m", "cruft", *words, cwd=folder)


def replace(path: Path, old: str, new: str) -> None:
    """Put *new* where *old* stands in *path*, at one place."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def append(path: Path, text: str) -> None:
    """Write *text* behind all that *path* has."""
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def released() -> str:
    """The tag of the last release before this tree; nothing where the clone has none."""
    command = ["git", "describe", "--tags", "--abbrev=0", "--match=v[0-9]*"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return result.stdout.strip()


def add_feature(template: Path, number: int) -> None:
    """Change *template* as its next version might, wherever versions change much.

    The places are those at which a repository's owner changes something as well.
    """
    name = f"feature_{number}"
    context = json.loads((template / "cookiecutter.json").read_text(encoding="utf-8"))
    context["_template_version"] = f"0.{90 + number}.0"
    context["_requirements"]["runtime"]["all"].append(f"cachetools>={number},<100")
    for requirements in context["_requirements"]["runtime"].values():
        requirements[-1] = requirements[-1].replace(",<", f",!=0.{90 + number},<")
    context["_settings"]["all"].insert(2, [name.upper(), "on", f"what version {number} brings"])
    (template / "cookiecutter.json").write_text(json.dumps(context), encoding="utf-8")

    skeleton = template / SKELETON.name
    source = skeleton / "src" / "service"
    replace(
        source / "settings.py",
        '    host: str = "127.0.0.1"',
        f'    {name}: str = "on"\n    host: str = "127.0.0.1"  # or {number}',
    )
    (source / f"{name}.py").write_text(f'"""What version {number} brings."""\n', encoding="utf-8")
    replace(
        skeleton / "README.md",
        "\n## Settings\n",
        f"\nVersion {number} of the template says this.\n\n## Settings\n",
    )
    replace(skeleton / "Makefile", "\ntest: install", f"\n{name}: ## new\n\ntest: install")
    append(skeleton / "Dockerfile", f'LABEL feature="{number}"\n')
    append(skeleton / "CHANGELOG.md", f"\nVersion {number} of the template.\n")
    for path in skeleton.rglob("network.py"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace('"""', f'"""Version {number}. ', 1), encoding="utf-8")
    for path in skeleton.rglob("requirements.lock"):
        append(path, f"{name}==1.0\n    # via pydantic\n")
    for path in skeleton.rglob("expected.json"):
        append(path, "\n")


def own(repo: Path) -> None:
    """Change *repo* as the README's "Change it" says, and elsewhere as owners do."""
    service = repo / "src" / "service"
    threshold = service / "lifecycle" / "dataset.py"
    text = threshold.read_text(encoding="utf-8")
    threshold.write_text(re.sub(r"(?m)^THRESHOLD = .*", "THRESHOLD = 0.6", text), encoding="utf-8")
    append(service / "network.py", "\n\nNAME = 'of our own'\n")
    replace(
        service / "settings.py",
        '"json", "console"] = "json"\n',
        '"json", "console"] = "json"\n    reading_room: str = "north"\n',
    )
    append(repo / ".env.example", "\n# which room is served\nREADING_ROOM=north\n")
    readme = repo / "README.md"
    replace(
        readme,
        "\n\n## Run it\n",
        "\n| `READING_ROOM` | `north` | which room is served |\n\n## Run it\n",
    )
    text = readme.read_text(encoding="utf-8")
    text = re.sub(r"(?m)^(\| `POST /predict` \| ).*", r"\1what the reading room asks |", text)
    readme.write_text(text.replace("\n## API\n", f"{OWN_SECTION}\n## API\n"), encoding="utf-8")
    replace(
        repo / "pyproject.toml",
        "updates of the lines above merge.\n",
        'updates of the lines above merge.\n    "tinycss2>=1.5,<2",\n',
    )
    append(repo / "requirements.lock", "tinycss2==1.5.1\n")
    append(repo / "CHANGELOG.md", "\n### Changed\n\n- Our labels.\n")
    append(repo / "Makefile", "\nreport: ## for the reading room\n\tcat README.md\n")
    replace(repo / "Dockerfile", "\nUSER 10001", '\nENV READING_ROOM="north"\nUSER 10001')
    shutil.rmtree(repo / "examples")
    shutil.rmtree(repo / "data", ignore_errors=True)
    for name in ("examples/ours.txt", "examples/expected.json", "data/train.csv", "docs/ours.md"):
        (repo / name).parent.mkdir(exist_ok=True)
        (repo / name).write_text("{}\n", encoding="utf-8")


@dataclass
class History:
    """The template under version control, with the commits of its versions, old to new."""

    folder: Path
    versions: list[str] = field(default_factory=list)

    def add(self, message: str) -> None:
        """Commit what lies there as the next version, unless it is the last one."""
        if git(self.folder, "status", "--porcelain"):
            self.versions.append(commit(self.folder, message))


@pytest.fixture(scope="session")
def history(template: Path, tmp_path_factory: pytest.TempPathFactory) -> History:
    """The template's last release, if it is known here, this template, and two that follow."""
    folder = tmp_path_factory.mktemp("history") / template.name
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    made = History(folder)
    if tag := released():
        archive = subprocess.check_output(["git", "archive", tag], cwd=ROOT)
        subprocess.run(["tar", "--extract", "--directory", folder], input=archive, check=True)
        made.add(tag)
        for path in folder.iterdir():
            if path.name != ".git":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(template, folder, dirs_exist_ok=True)
    made.add("this template")
    for number in (1, 2):
        add_feature(folder, number)
        made.add(f"with feature {number}")
    return made


@pytest.fixture(params=ROWS, ids=IDS)
def row(request: pytest.FixtureRequest) -> Combination:
    """Answers with either way to serve."""
    answers: Combination = request.param
    return answers


def created(history: History, version: str, answers: Combination, folder: Path) -> Path:
    """A repository that cruft made of *version* in *folder*, committed as it is."""
    answers = {**answers, "project_slug": "digit-reader"}
    create = ["create", str(history.folder), "--checkout", version, "--output-dir", str(folder)]
    folder.mkdir(exist_ok=True)
    cruft(folder, *create, *UNASKED, "--extra-context", json.dumps(answers))
    repo = folder / "digit-reader"
    git(repo, "init", "--quiet", "--initial-branch=main")
    commit(repo, "What was generated")
    return repo


def linked(history: History, version: str, answers: Combination, folder: Path) -> Path:
    """A repository that plain cookiecutter made, committed as it is, and linked by cruft later."""
    answers = {**answers, "project_slug": "digit-reader"}
    words = [f"{question}={answer}" for question, answer in answers.items()]
    template = folder / "template"
    git(folder, "clone", "--quiet", str(history.folder), str(template))
    git(template, "checkout", "--quiet", version)
    run(sys.executable, "-m", "cookiecutter", str(template), *UNASKED, *words, cwd=folder)
    repo = folder / "digit-reader"
    git(repo, "init", "--quiet", "--initial-branch=main")
    commit(repo, "What was generated")
    link = ["link", str(history.folder), "--checkout", version, *UNASKED]
    cruft(repo, *link, "--extra-context", json.dumps(answers))
    commit(repo, "Where it came from")
    return repo


def skipped(repo: Path) -> set[str]:
    """What *repo* keeps from updates."""
    settings = tomllib.loads((repo / "pyproject.toml").read_text(encoding="utf-8"))
    return set(settings["tool"]["cruft"]["skip"])


def seen(repo: Path) -> dict[str, object]:
    """Mode and digest of every file that git would keep, but for cruft's own."""
    listed = git(repo, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    return {
        name: digest
        for name, digest in digests(repo).items()
        if name in listed and name != ".cruft.json"
    }


def unmerged(repo: Path) -> list[str]:
    """What an update left to its owner: unmerged paths, rejected pieces, and texts with marks."""
    git_says = git(repo, "ls-files", "--unmerged").splitlines()
    rejected = [str(name) for name in files(repo) if name.suffix in {".rej", ".orig"}]
    return git_says + rejected + [name for name in seen(repo) if MARKS.search(text_of(repo / name))]


def merged(
    fresh: dict[str, object], before: dict[str, object], skip: set[str]
) -> dict[str, object]:
    """What must be there: *fresh*, but what *skip* names is as it was *before*."""

    def chosen(seen: dict[str, object], *, skipped: bool) -> dict[str, object]:
        return {name: seen[name] for name in seen if (name.split("/")[0] in skip) == skipped}

    return chosen(fresh, skipped=False) | chosen(before, skipped=True)


def test_updates_bring_what_is_new_and_keep_what_is_the_owners(
    row: Combination, history: History, tmp_path: Path
) -> None:
    """From the oldest version that is known here to the newest, each in a new clone."""
    begin, *later = history.versions
    make = created if row["serving"] == "in-process" else linked
    repo = make(history, begin, row, tmp_path)
    own(repo)
    commit(repo, "What is ours")
    before = seen(repo)
    for number, version in enumerate(later):
        clone = tmp_path / f"clone-{number}"
        git(tmp_path, "clone", "--quiet", "--no-local", str(repo), str(clone))
        assert "out of date" in refused(
            sys.executable, "-m", "cruft", "check", "--checkout", version, cwd=clone
        )

        if number == 0:
            cruft(clone, "update", "--skip-apply-ask", "--checkout", version)
        else:  # where git no longer finds the files as the template had them
            run("make", "update", f"RELEASE={version}", f"UV={UV}", cwd=clone)

        assert unmerged(clone) == []
        assert "up to date" in cruft(clone, "check", "--checkout", version)
        fresh = created(history, version, row, tmp_path / f"fresh-{number}")
        skip = skipped(fresh)
        own(fresh)
        assert seen(clone) == merged(seen(fresh), before, skip)
        commit(clone, "Update")
        repo = clone


@pytest.fixture
def contested(history: History, tmp_path: Path) -> Path:
    """A repository whose owner changed a line that the newest version changes, too."""
    repo = created(history, history.versions[-2], ROWS[0], tmp_path)
    replace(repo / "src" / "service" / "settings.py", '"127.0.0.1"', '"0.0.0.0"')
    commit(repo, "Our address")
    return repo


def forget_what_was_generated(repo: Path) -> None:
    """Leave *repo* as a new clone is after an update: without the files as they were generated."""
    git(repo, "checkout", "--quiet", "--orphan", "new")
    commit(repo, "All at once")
    git(repo, "branch", "--delete", "--force", "main")
    git(repo, "reflog", "expire", "--expire=now", "--all")
    git(repo, "gc", "--quiet", "--prune=now")


def test_cruft_alone_leaves_marks_that_git_does_not_commit(
    contested: Path, history: History
) -> None:
    cruft(contested, "update", "--skip-apply-ask", "--checkout", history.versions[-1])

    assert {line.split("\t")[-1] for line in unmerged(contested)} == {"src/service/settings.py"}
    assert (contested / "src" / "service" / "feature_2.py").is_file()
    with pytest.raises(AssertionError, match="unmerged files"):
        git(contested, "commit", "--message", "Update")


def test_cruft_alone_leaves_a_rej_in_a_new_clone(contested: Path, history: History) -> None:
    forget_what_was_generated(contested)

    cruft(contested, "update", "--skip-apply-ask", "--checkout", history.versions[-1])

    assert unmerged(contested) == ["src/service/settings.py.rej"]
    assert (contested / "src" / "service" / "feature_2.py").is_file()


def test_make_update_leaves_marks_in_a_new_clone_and_names_their_files(
    contested: Path, history: History
) -> None:
    forget_what_was_generated(contested)

    with pytest.raises(AssertionError, match=r"same lines: src/service/settings\.py\. Settle"):
        run("make", "update", f"RELEASE={history.versions[-1]}", f"UV={UV}", cwd=contested)

    assert {line.split("\t")[-1] for line in unmerged(contested)} == {"src/service/settings.py"}


def test_a_new_requirement_asks_for_make_lock_which_keeps_the_pins(
    history: History, tmp_path: Path
) -> None:
    """The lock is the owner's, so no update touches it; a test says that it no longer fits."""
    *_, begin, _, version = ["", *history.versions]
    repo = created(history, begin, ROWS[0], tmp_path)
    pins = (repo / "requirements.lock").read_text(encoding="utf-8")
    cruft(repo, "update", "--skip-apply-ask", "--checkout", version)
    check = [sys.executable, "-m", "pytest", "--noconftest", "-p", "no:cacheprovider"]
    check.append("tests/test_lock.py")

    assert (repo / "requirements.lock").read_text(encoding="utf-8") == pins
    with pytest.raises(AssertionError, match=r'cachetools.* run "make lock"'):
        run(*check, cwd=repo)

    run("make", "lock", f"UV={UV}", cwd=repo)

    run(*check, cwd=repo)
    locked = (repo / "requirements.lock").read_text(encoding="utf-8")
    assert "cachetools==" in locked
    assert set(PIN.findall(pins)) <= set(PIN.findall(locked))


def test_only_a_file_that_no_update_touches_has_the_year() -> None:
    """A later year would be a change of every line that says it, and of its neighbours."""
    naming = {name.as_posix() for name in files(SKELETON) if "__year" in text_of(SKELETON / name)}

    assert naming == {"LICENSE"}


def test_what_updates_leave_alone_is_there(repo: Path) -> None:
    assert {"LICENSE", "CHANGELOG.md", "examples", "requirements.lock"} <= skipped(repo)
    assert [name for name in skipped(repo) if not (repo / name).exists()] == []


def test_the_changelog_tells_of_this_version() -> None:
    version = str(CONTEXT["_template_version"])
    heading = "Unreleased" if version.endswith(".dev0") else version
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert re.search(rf"^## {re.escape(heading)}( - .+)?$", changelog, re.MULTILINE), heading


def test_what_differs_from_the_last_release_does_not_have_its_version() -> None:
    tag, version = released(), CONTEXT["_template_version"]
    rendered = ["cookiecutter.json", "hooks", SKELETON.name]
    same = ["git", "diff", "--quiet", tag or "HEAD", "--", *rendered]
    is_release = subprocess.run(same, cwd=ROOT, check=False).returncode == 0

    assert is_release or tag != f"v{version}", f"raise _template_version, after {tag} changed"
