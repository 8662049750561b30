"""Updates of generated repositories: what the template has new comes, what is the owner's stays.

The template's history is three commits: the template as it stands here, and two versions after it,
which change what versions change.
"""

import json
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bakes import render
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
SLUG = "digit-reader"
UNASKED = ["--no-input", "--default-config"]
SERVICE = Path("src", "service")
OWN_SECTION = "\n## Who runs it\n\nThe reading room, by day and by night.\n"
INSTALLED = f"VENV={sys.prefix}"  # it has pip and uv
PIN = re.compile(r"^[a-z0-9].*==[^ ]+", re.MULTILINE)
MARKS = re.compile(r"^(<{7}|={7}$|>{7})", re.MULTILINE)


def cruft(folder: Path, *words: str) -> str:
    """What cruft says to *words* in *folder*."""
    return run(sys.executable, "-m", "cruft", *words, cwd=folder)


def update(repo: Path, version: str) -> str:
    """What ``make update`` to *version* says when nothing is left to do."""
    return run("make", "update", f"RELEASE={version}", INSTALLED, cwd=repo)


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

    changes = template / "CHANGELOG.md"
    heading = f"## 0.{90 + number}.0\n\n### To do\n\n- Do the work of {number}.\n"
    text = changes.read_text(encoding="utf-8")
    changes.write_text(text.replace("\n## ", f"\n{heading}\n## ", 1), encoding="utf-8")

    skeleton = template / SKELETON.name
    replace(
        skeleton / SERVICE / "settings.py",
        '    host: str = "127.0.0.1"',
        f'    {name}: str = "on"\n    host: str = "127.0.0.1"  # or {number}',
    )
    (skeleton / SERVICE / f"{name}.py").write_text(f"NUMBER = {number}\n", encoding="utf-8")
    replace(
        skeleton / "README.md",
        "\n## Settings\n",
        f"\nVersion {number} of the template says this.\n\n## Settings\n",
    )
    replace(skeleton / "Makefile", "\ntest: install", f"\n{name}: ## new\n\ntest: install")
    append(skeleton / "Dockerfile", f'LABEL feature="{number}"\n')
    append(skeleton / "CHANGELOG.md", f"\nVersion {number} of the template.\n")
    for path in skeleton.rglob("model/network.py"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace('"""', f'"""Version {number}. ', 1), encoding="utf-8")
    for path in skeleton.rglob("requirements*.lock"):
        append(path, f"{name}==1.0\n    # via pydantic\n")
    for path in skeleton.rglob("expected.json"):
        append(path, "\n")


def own(repo: Path) -> None:
    """Change *repo* as the README's "Change it" says, and elsewhere as owners do."""
    model = repo / "src" / "model"
    data = (model / "data.py").read_text(encoding="utf-8")
    changed, places = re.subn(
        r"(?m)^(THRESHOLD|STARTER_ORIGIN) = ", r"OURS = 1\n\n\1 = ", data, count=1
    )
    assert places, "model/data.py has no constant to stand for an owner's"
    (model / "data.py").write_text(changed, encoding="utf-8")
    append(model / "network.py", "\n\nNAME = 'of our own'\n")
    (model / "ours.py").write_text("READING_ROOM = 'north'\n", encoding="utf-8")
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


def meddle(repo: Path) -> None:
    """Change, remove and add files in the room that is not the owner's."""
    settings = repo / SERVICE / "settings.py"
    replace(settings, '    host: str = "127.0.0.1"', '    host: str = "0.0.0.0"')
    (repo / SERVICE / "logs.py").unlink()
    (repo / SERVICE / "ours.py").write_text("READING_ROOM = 'south'\n", encoding="utf-8")


@dataclass
class History:
    """The template under version control.

    Args:
        folder: its clone, with all versions.
        trees: each version as a folder, without the hook that reads the command line.
        versions: the commits, old to new.
    """

    folder: Path
    trees: Path
    versions: list[str] = field(default_factory=list)

    def add(self, message: str) -> None:
        """Commit what lies there as the next version."""
        self.versions.append(commit(self.folder, message))
        ignored = shutil.ignore_patterns(".git", "pre_prompt.py")
        shutil.copytree(self.folder, self.trees / self.versions[-1], ignore=ignored)

    def fresh(self, version: str, answers: Combination, folder: Path) -> Path:
        """A repository as *version* renders it in *folder*, without version control."""
        return render(self.trees / version, folder, project_slug=SLUG, **answers)


@pytest.fixture(scope="session")
def history(template: Path, tmp_path_factory: pytest.TempPathFactory) -> History:
    """This template, and two versions that follow."""
    folder = tmp_path_factory.mktemp("history") / template.name
    shutil.copytree(template, folder)
    made = History(folder, tmp_path_factory.mktemp("trees"))
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
    create = ["create", str(history.folder), "--checkout", version, "--output-dir", str(folder)]
    answers = {**answers, "project_slug": SLUG}
    cruft(folder, *create, *UNASKED, "--extra-context", json.dumps(answers))
    commit(folder / SLUG, "What was generated")
    return folder / SLUG


def plain(history: History, version: str, answers: Combination, folder: Path) -> Path:
    """A repository that plain cookiecutter made of *version*, committed as it is."""
    template = folder / "template"
    git(history.folder, "clone", "--quiet", history.folder.as_uri(), str(template))
    git(template, "checkout", "--quiet", version)
    (template / "hooks" / "pre_prompt.py").unlink()
    repo = render(template, folder, project_slug=SLUG, **answers)
    state = json.loads((repo / ".cruft.json").read_text(encoding="utf-8"))
    assert (state["template"], state["commit"]) == (str(template), version)
    git(template, "checkout", "--quiet", "--force", "main")
    commit(repo, "What was generated")
    return repo


def clone_of(repo: Path, to: Path) -> Path:
    """A new clone, in which git does not find the files as the template had them."""
    git(repo, "clone", "--quiet", "--no-local", "--depth=1", repo.as_uri(), str(to))
    return to


def skipped(repo: Path) -> set[str]:
    """The files that updates of *repo* do not merge."""
    settings = tomllib.loads((repo / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["cruft"]["skip"]
    assert [pattern for pattern in patterns if not list(repo.glob(pattern))] == []
    chosen = [path for pattern in patterns for path in repo.glob(pattern)]
    inside = [each for path in chosen for each in path.rglob("*")]
    return {path.relative_to(repo).as_posix() for path in chosen + inside}


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


def test_updates_bring_what_is_new_and_keep_what_is_the_owners(
    row: Combination, history: History, tmp_path: Path
) -> None:
    """To each version in a new clone; or to the newest at once, after plain ``cookiecutter``."""
    begin, *later = history.versions
    if row["serving"] == "in-process":
        make = created
    else:
        make, later = plain, later[-1:]
    repo = make(history, begin, row, tmp_path)
    own(repo)
    commit(repo, "What is ours")
    before = seen(repo)
    kept = {name: before[name] for name in skipped(repo) & before.keys() if not in_service(name)}
    for version in later:
        repo = clone_of(repo, tmp_path / f"to-{version}")
        assert "out of date" in refused(
            sys.executable, "-m", "cruft", "check", "--checkout", version, cwd=repo
        )

        said = update(repo, version)

        assert "your changes" not in said
        assert f"to version {version_of(history, version)} ({version[:7]})." in said
        assert f"- Do the work of {version_of(history, version)[3]}.\n" in said
        assert "clean as possible" not in said
        assert git(repo, "diff", "--name-only") == ""  # "git commit" takes all of it
        assert unmerged(repo) == []
        assert "up to date" in cruft(repo, "check", "--checkout", version)
        fresh = history.fresh(version, row, tmp_path / f"fresh-{version}")
        own(fresh)
        commit(fresh, "What would be there had it been made today")
        assert seen(repo) == seen(fresh) | kept
        commit(repo, "Update")


def version_of(history: History, commit: str) -> str:
    """What the template calls itself at *commit*."""
    text = (history.trees / commit / "cookiecutter.json").read_text(encoding="utf-8")
    return str(json.loads(text)["_template_version"])


def in_service(name: str) -> bool:
    """Whether the file *name* lies in the room that is replaced."""
    return Path(name).is_relative_to(SERVICE)


@pytest.fixture(scope="session")
def contested(history: History, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose owner changed a line that the newest version changes, too."""
    repo = created(history, history.versions[-2], ROWS[0], tmp_path_factory.mktemp("contested"))
    replace(repo / "Dockerfile", 'LABEL feature="1"\n', 'LABEL feature="ours"\n')
    meddle(repo)
    commit(repo, "Ours")
    return repo


def test_an_update_replaces_the_service_and_names_what_else_is_left_to_merge(
    contested: Path, history: History, tmp_path: Path
) -> None:
    repo = clone_of(contested, tmp_path / "clone")

    with pytest.raises(AssertionError) as failure:
        update(repo, history.versions[-1])

    said = str(failure.value)
    assert "your changes in it, in logs.py, ours.py, settings.py. The last commit has them" in said
    assert re.search(r"same lines: Dockerfile\. Merge", said)
    assert {line.split("\t")[-1] for line in unmerged(repo)} == {"Dockerfile"}
    assert "clean as possible" not in said
    assert git(repo, "diff", "--name-only").split() == ["Dockerfile"] * 2  # once as unmerged
    fresh = history.fresh(history.versions[-1], ROWS[0], tmp_path / "fresh")
    assert digests(repo / SERVICE) == digests(fresh / SERVICE)
    with pytest.raises(AssertionError, match="unmerged files"):
        git(repo, "commit", "--message", "Update")


def test_an_update_of_what_is_not_committed_is_refused(
    contested: Path, history: History, tmp_path: Path
) -> None:
    repo = clone_of(contested, tmp_path / "clone")
    append(repo / SERVICE / "settings.py", "# not committed\n")
    before = seen(repo)

    with pytest.raises(AssertionError, match=r"not committed: src/service/settings\.py\. Commit"):
        update(repo, history.versions[-1])

    assert seen(repo) == before


def test_an_update_goes_to_the_newest_tag_not_to_the_newest_commit(
    contested: Path, history: History, tmp_path: Path
) -> None:
    repo = clone_of(contested, tmp_path / "clone")
    git(history.folder, "tag", "v0.9.0", history.versions[0])
    git(history.folder, "tag", "v0.10.0", history.versions[1])

    run("make", "update", INSTALLED, cwd=repo)

    state = json.loads((repo / ".cruft.json").read_text(encoding="utf-8"))
    assert state["commit"] == history.versions[1]


def test_a_password_in_the_templates_address_is_not_kept(history: History, tmp_path: Path) -> None:
    bare = tmp_path / "template.git"
    git(history.folder, "clone", "--quiet", "--bare", history.folder.as_uri(), str(bare))
    git(bare, "update-server-info")
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"cookiecutters_dir": str(tmp_path), "replay_dir": str(tmp_path)}))
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        address = f"127.0.0.1:{server.server_port}/template.git"
        words = ["--no-input", "--config-file", str(config), "--output-dir", str(tmp_path / "made")]
        url = f"http://me:word@{address}"
        run(sys.executable, "-m", "cookiecutter", *words, url, f"project_slug={SLUG}", cwd=tmp_path)
        server.shutdown()

    state = (tmp_path / "made" / SLUG / ".cruft.json").read_text(encoding="utf-8")
    assert json.loads(state)["template"] == f"http://{address}"
    assert "word@" not in state


@pytest.mark.parametrize("release", ["v9", "0000000"])
def test_a_version_that_is_not_there_is_refused_in_one_sentence(
    release: str, contested: Path, tmp_path: Path
) -> None:
    repo = clone_of(contested, tmp_path / "clone")
    before = seen(repo)

    said = refused("make", "update", f"RELEASE={release}", INSTALLED, cwd=repo)

    assert len(re.findall("^error: .+", said, re.MULTILINE)) == 1
    assert len(said.splitlines()) == 4  # the command, of two lines, and what make says of it
    assert seen(repo) == before


def test_a_new_requirement_asks_for_make_lock_which_keeps_the_pins(
    history: History, tmp_path: Path
) -> None:
    """The lock is the owner's, so no update touches it; a test says that it no longer fits."""
    repo = history.fresh(history.versions[0], ROWS[0], tmp_path / "old")
    new = history.fresh(history.versions[-1], ROWS[0], tmp_path / "new")
    shutil.copy(new / "pyproject.toml", repo)
    pins = (repo / "requirements.lock").read_text(encoding="utf-8")
    check = [sys.executable, "-m", "pytest", "--noconftest", "-p", "no:cacheprovider"]
    check.append("tests/contract/test_lock.py")

    with pytest.raises(AssertionError, match=r'cachetools.* run "make lock"'):
        run(*check, cwd=repo)

    run("make", "lock", INSTALLED, cwd=repo)

    run(*check, cwd=repo)
    locked = (repo / "requirements.lock").read_text(encoding="utf-8")
    assert "cachetools==" in locked
    assert set(PIN.findall(pins)) <= set(PIN.findall(locked))


def test_only_a_file_that_no_update_touches_has_the_year() -> None:
    """A later year would be a change of every line that says it, and of its neighbours."""
    folders = [SKELETON, ROOT / "templates"]
    texts = [folder / name for folder in folders for name in files(folder)]
    naming = {path.relative_to(ROOT).parts[:2] for path in texts if "__year" in text_of(path)}

    assert naming == {("templates", "license")}


def test_what_updates_leave_alone_is_there(repo: Path) -> None:
    assert {"LICENSE", "CHANGELOG.md", "examples", "requirements.lock"} <= skipped(repo)


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
