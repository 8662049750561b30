"""Where an update cannot begin, and what it leaves to its owner."""

import shutil
import subprocess
from pathlib import Path

import pytest

from service.update import UpdateError, find_release, read_state, refuse_unmerged, to_do


def test_a_repository_of_unknown_origin_is_told_how_to_name_it(tmp_path: Path) -> None:
    with pytest.raises(UpdateError, match=r'missing.* "cruft link" write it'):
        read_state(tmp_path / ".cruft.json")


def test_what_there_is_to_do_since_a_version_is_told() -> None:
    changes = (
        "# Changelog\n\n## 0.3.0 - 2026-12-01\n\n### To do\n\n- Rename `A`.\n- Run `make lock`.\n\n"
        "### Added\n\n- B.\n\n"
        "## 0.2.0 - 2026-11-30\n\n### Added\n\n- C.\n\n### To do\n\n- Set C.\n\n"
        "## 0.1.0 - 2026-11-29\n\n### To do\n\n- Long done.\n"
    )

    assert to_do(changes, "0.1.0") == "- Rename `A`.\n- Run `make lock`.\n- Set C."
    assert to_do(changes, "0.2.0") == "- Rename `A`.\n- Run `make lock`."
    assert to_do(changes, "0.3.0") == ""


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_what_is_left_to_merge_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "--quiet"], check=True)  # noqa: S607
    refuse_unmerged()
    (tmp_path / "README.md.rej").write_text("@@ -1 +1 @@\n")

    with pytest.raises(UpdateError, match=r"the same lines: README\.md\.rej\."):
        refuse_unmerged()


@pytest.fixture
def template(tmp_path: Path) -> str:
    """A template with three versions, the newest in the middle, and a commit after them."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = tmp_path / "template"
    git = ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@example.com"]
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)  # noqa: S607
    for tag in ("v0.9.0", "v0.10.0", "v0.9.1", "nightly"):
        subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", tag], check=True)
        subprocess.run([*git, "tag", tag], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "more"], check=True)
    return str(folder)


def test_an_update_goes_to_the_newest_version_or_to_the_one_that_is_named(template: str) -> None:
    assert find_release(template, None) == "v0.10.0"
    assert find_release(template, "v0.9.1") == "v0.9.1"
    assert find_release(template, "0123abc") == "0123abc"


def test_a_version_that_the_template_does_not_have_is_refused_in_one_sentence(
    template: str,
) -> None:
    with pytest.raises(
        UpdateError, match=r'RELEASE is "v9".*, or v0\.9\.0, v0\.9\.1, v0\.10\.0\.$'
    ):
        find_release(template, "v9")


def test_a_template_that_is_not_reached_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UpdateError, match=r"^the template cannot be used: [^\n]+$"):
        find_release(str(tmp_path / "nothing"), None)
    with pytest.raises(UpdateError, match="cannot be used") as refusal:
        find_release("http://me:secret@127.0.0.1:9/template", None)
    assert "secret" not in str(refusal.value)
