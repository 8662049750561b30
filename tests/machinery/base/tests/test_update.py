"""Where an update cannot begin, and what it leaves to its owner."""

import shutil
import subprocess
from pathlib import Path

import pytest

from service.update import UpdateError, read_state, refuse_unmerged


def test_a_repository_of_unknown_origin_is_told_how_to_name_it(tmp_path: Path) -> None:
    with pytest.raises(UpdateError, match=r'missing.* "cruft link" writes it'):
        read_state(tmp_path / ".cruft.json")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_what_is_left_to_merge_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "--quiet"], check=True)  # noqa: S607
    refuse_unmerged()
    (tmp_path / "README.md.rej").write_text("@@ -1 +1 @@\n")

    with pytest.raises(UpdateError, match=r"the same lines: README\.md\.rej\."):
        refuse_unmerged()
