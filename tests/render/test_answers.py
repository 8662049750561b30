"""Answers that are accepted, and the one sentence that refuses any other."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bakes import Bake
from hooks.pre_gen_project import refusal
from hooks.pre_prompt import answers_in, join_values, unknown_question
from matrix import CHOICES
from shell import commit
from tree import files

LINE = ["", " a", "a ", "a\nb", "a\tb", "a\r", "a\0b", "a\x1b[31m", "\u202egnp.exe", "\ud800"]
LINE += ['Bob "B"', "a\\", "{{ 7 * 7 }}", "{% x %}", "a}", "<script>", "`id`", "$HOME", "$(id)"]
REFUSED = {
    "project_name": [*LINE, "x" * 101, "x" * 200],
    "author_name": [*LINE, "x" * 101],
    "description": [*LINE, "x" * 201],
    "project_slug": [
        *("", "7-dwarfs", "-a", "a-", "a--b", "a_b", "A", "ä", "a b", "a.b", "a\n", "x" * 51),
        *("x" * 200, "../x", "a/b", "a\\b", "/etc/x", ".", "..", "~", "class", "import"),
        *("con", "nul", "com1", "{{ 7 }}", "a;b", "$x", "a'b", '"', "\u0430bc", "a٣"),
    ],
    "author_email": [
        *("", "a", "a@b", "@b.de", "a@.de", "a b@c.de", "a@b.de\n", "Bob <a@b.de>", "ä@b.de"),
        *("a@b..de", ".a@b.de", "a.@b.de", '"a"@b.de', "a@b.de, c@d.de", "a@-b.de", "$x@b.de"),
        "x" * 250 + "@b.de",
    ],
}
ACCEPTED = {
    "project_name": [
        "x",
        "x" * 100,
        "Digit Reader",
        "Ünï çødé",
        "数字読み取り",
        "C++ & Co. #1: 50 %",
    ],
    "author_name": ["Zoë O'Neill", "王秀英", "李", "R. J. (Bob) Smith, Jr."],
    "description": ["x" * 200, "Reads digits; 10 ms each!", "Liest Ziffern – schnell."],
    "project_slug": ["a", "a1", "digit-reader", "a-1", "x" * 50],
    "author_email": ["you@example.com", "a.b+c@d-e.co.uk", "x@xn--bcher-kva.xn--p1ai"],
}


@pytest.mark.parametrize(
    ("question", "value"),
    [(question, value) for question, values in REFUSED.items() for value in values],
)
def test_a_hostile_answer_is_refused_in_one_printable_line(question: str, value: str) -> None:
    sentence = refusal(question, value)

    assert sentence.startswith(f"{question} is ")
    assert "accepted: " in sentence
    assert sentence.isprintable()
    assert len(sentence) < 400


@pytest.mark.parametrize(
    ("question", "value"),
    [(question, value) for question, values in ACCEPTED.items() for value in values],
)
def test_an_ordinary_answer_is_accepted(question: str, value: str) -> None:
    assert refusal(question, value) == ""


@pytest.mark.parametrize("project_name", ACCEPTED["project_name"])
def test_an_accepted_name_makes_a_repository_that_tells_it(bake: Bake, project_name: str) -> None:
    answers = {name: values[0] for name, values in ACCEPTED.items()}
    answers |= {"project_name": project_name, "description": "It's 100 % – \N{SNOWMAN} & #1."}
    del answers["project_slug"]

    repo = bake(**answers)

    project = tomllib.loads((repo / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == repo.name
    assert project["description"] == answers["description"]
    assert project["authors"] == [{"name": answers["author_name"], "email": "you@example.com"}]


def run_cookiecutter(
    template: Path, folder: Path, *words: str, typed: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run cookiecutter's command as a person would, in an empty *folder*."""
    command = [sys.executable, "-m", "cookiecutter", "--default-config", str(template), *words]
    environ = os.environ | {"HOME": str(folder.parent), "TMPDIR": str(folder.parent.parent)}
    environ |= {"PWD": str(folder), "COLUMNS": "200", "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(
        command, cwd=folder, input=typed, env=environ, capture_output=True, text=True, check=False
    )


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A folder to run cookiecutter in; what is above it can be looked at, too."""
    folder = tmp_path / "above" / "empty"
    folder.mkdir(parents=True)
    return folder


def refused(result: subprocess.CompletedProcess[str], folder: Path) -> str:
    """All that cookiecutter said, after a look that it ended well and left nothing."""
    said = result.stdout + result.stderr
    assert result.returncode == 1, said
    assert "Traceback" not in said
    left = {path.name for path in folder.parent.iterdir()} - {
        ".cookiecutter_replay",
        ".cookiecutters",
        ".gitconfig",
    }
    assert left == {folder.name}
    assert list(folder.iterdir()) == []
    return said


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("framwork=django", 'unknown question "framwork"; did you mean "framework"? The questions'),
        ("zzz=1", 'unknown question "zzz". The questions are: task, project_name,'),
        ("_copy_without_render=x", 'unknown question "_copy_without_render".'),
        ("framework=Django", 'framework is "Django"; accepted: flask, django.'),
        ("python_version=3.9", 'python_version is "3.9"; accepted: 3.11, 3.12, 3.13.'),
        ("backend=", 'backend is ""; accepted: pytorch, tensorflow.'),
        ("project_name={{ cookiecutter }}", 'project_name is "{{ cookiecutter }}"; accepted: '),
        ("project_name={{", 'project_name is "{{"; accepted: '),
        ("project_name=7 Dwarfs", 'project_slug is "7-dwarfs"; accepted: '),
        ("project_slug=../x", 'project_slug is "../x"; accepted: '),
        ("project_slug=/x/y", 'project_slug is "/x/y"; accepted: '),
        ('author_name=Bob "B"', r'author_name is "Bob \"B\""; accepted: '),
        ("description=a\nb", r'description is "a\nb"; accepted: '),
    ],
)
def test_a_wrong_word_on_the_command_line_ends_in_one_sentence(
    template: Path, empty: Path, word: str, sentence: str
) -> None:
    assert sentence in refused(run_cookiecutter(template, empty, "--no-input", word), empty)


@pytest.mark.parametrize("slug", ["a/b", "../x", "Ä", "class", "x" * 200, "{{ x", "a\\b"])
def test_a_wrong_answer_at_a_prompt_is_asked_for_again(
    template: Path, empty: Path, slug: str
) -> None:
    result = run_cookiecutter(template, empty, typed=f"\n\n{slug}\ngood\n" + "\n" * 20)

    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("[3/12]") == 2
    refusals = [line for line in result.stdout.splitlines() if "; accepted: " in line]
    assert len(refusals) == 1
    assert "project_slug is " in refusals[0]
    assert [path.name for path in empty.iterdir()] == ["good"]


@pytest.mark.parametrize("task", CHOICES["task"])
def test_the_defaults_follow_from_the_task_and_are_accepted(
    template: Path, empty: Path, task: str
) -> None:
    result = run_cookiecutter(template, empty, "--no-input", f"task={task}")

    assert result.returncode == 0, result.stdout + result.stderr
    (repo,) = empty.iterdir()
    assert (repo.name == "digit-reader") is (task == "image-classification")


def test_the_author_is_who_git_says(template: Path, empty: Path) -> None:
    git_config = empty.parent / ".gitconfig"
    git_config.write_text("[user]\nname = Zoë O'Neill\nemail = broken\n", encoding="utf-8")

    result = run_cookiecutter(template, empty, typed="\n" * 20)

    assert "Author (Zoë O'Neill)" in result.stdout
    assert "Author's e-mail (you@example.com)" in result.stdout
    assert "Zoë O'Neill" in (empty / "digit-reader" / "LICENSE").read_text(encoding="utf-8")


def test_the_last_words_tell_where_it_is_and_what_to_type(template: Path, empty: Path) -> None:
    result = run_cookiecutter(template, empty, "--no-input", "serving=model-server")

    lines = [line.strip() for line in result.stdout.splitlines()]
    assert f'Made "Digit Reader" in {empty / "digit-reader"}. Try it:' in lines
    commands = [
        "cd digit-reader",
        "make model-server",
        "make serve",
        "git init -b main",
        "git push",
    ]
    found = [next(i for i, line in enumerate(lines) if line.startswith(each)) for each in commands]
    assert found == sorted(found)


def test_the_last_words_name_a_folder_elsewhere_in_full(template: Path, empty: Path) -> None:
    result = run_cookiecutter(template, empty, "--no-input", "-o", "a b")

    assert f"    cd '{empty / 'a b' / 'digit-reader'}'" in result.stdout


@pytest.mark.parametrize("words", [["-f"], ["-f", "-s"], ["-s"], []])
def test_a_folder_with_files_is_refused_before_a_file_is_written(
    template: Path, empty: Path, words: list[str]
) -> None:
    repo = empty / "digit-reader"
    repo.mkdir()
    (repo / "README.md").write_text("mine", encoding="utf-8")

    result = run_cookiecutter(template, empty, "--no-input", *words)

    assert result.returncode == 1
    assert "Traceback" not in result.stdout + result.stderr
    assert ("is not empty" if "-f" in words else "already exists") in result.stdout + result.stderr
    assert [path.name for path in repo.iterdir()] == ["README.md"]
    assert (repo / "README.md").read_text(encoding="utf-8") == "mine"


def test_an_empty_folder_may_be_filled(template: Path, empty: Path) -> None:
    (empty / "digit-reader").mkdir()

    result = run_cookiecutter(template, empty, "--no-input", "-f")

    assert result.returncode == 0, result.stdout + result.stderr
    assert (empty / "digit-reader" / "README.md").is_file()


def test_the_same_answers_are_replayed(template: Path, empty: Path) -> None:
    run_cookiecutter(template, empty, "--no-input", "project_name=Other", "framework=django")
    shutil.rmtree(empty / "other")

    result = run_cookiecutter(template, empty, "--replay")

    assert result.returncode == 0, result.stdout + result.stderr
    assert "django" in (empty / "other" / "pyproject.toml").read_text(encoding="utf-8")


def test_words_that_are_no_answers_are_not_read_as_such(template: Path, empty: Path) -> None:
    words = ["-o", "framwork=django", "--no-input", "framework=django", "description=a=b, x=y"]
    result = run_cookiecutter(template, empty, *words)

    assert result.returncode == 0, result.stdout + result.stderr
    assert [path.name for path in (empty / "framwork=django").iterdir()] == ["digit-reader"]


@pytest.mark.parametrize(
    "command",
    [
        ["python", "-m", "pytest", "-k", "framwork=django"],
        ["/usr/bin/cruft", "create", ".", "framwork=django"],
        ["cookiecutter", ".", "no-answer"],
        [],
    ],
)
def test_a_command_that_is_not_understood_holds_no_answers(command: list[str]) -> None:
    assert answers_in(command) == {}


def test_the_words_that_ps_prints_are_joined_to_the_values_that_were_given() -> None:
    line = "python /bin/cookiecutter . description=Reads all digits framework=flask -o out"

    answers = answers_in(join_values(line.split()))

    assert answers == {"description": "Reads all digits", "framework": "flask"}


def test_a_question_like_no_other_gets_no_hint() -> None:
    assert "did you mean" not in unknown_question("zzz", ["framework"])


def test_the_last_hook_refuses_where_the_first_does_not_run(template: Path, empty: Path) -> None:
    """Cruft runs no ``pre_prompt`` hook."""
    source = empty.parent / "source"
    shutil.copytree(template, source)
    commit(source, "all")
    answers = json.dumps({"project_slug": "Digit_Reader"})
    command = [sys.executable, "-m", "cruft", "create", source.as_uri(), "--no-input"]
    result = subprocess.run(
        [*command, "--default-config", "--extra-context", answers],
        cwd=empty,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode != 0
    assert 'project_slug is "Digit_Reader"; accepted: ' in result.stderr
    assert files(empty) == []
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize("hook", ["pre_prompt", "pre_gen_project"])
def test_an_old_python_is_refused_in_one_sentence(hook: str, template: Path, empty: Path) -> None:
    """Before anything that it lacks is imported."""
    code = (
        "import platform, runpy, sys\n"
        "sys.version_info, platform.python_version = (3, 10, 13), lambda: '3.10.13'\n"
        f"runpy.run_path({str(template / 'hooks' / f'{hook}.py')!r}, run_name='__main__')\n"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=empty, capture_output=True, text=True, check=False)

    said = refused(result, empty)

    assert said.startswith("cookiecutter runs on Python 3.10.13, and this template needs 3.11 or ")
    assert said.count("\n") == 1
