"""What a README says to who has a trained model: its commands, as they are written, and the answer.

Each test prints seconds and typed characters, from cookiecutter to the first right prediction.
"""

import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bakes import Bakes
from matrix import AXES, COMBINATIONS, ROOT
from model_server import model_server
from service import clean_environ, running
from shell import installed_in, run

TOOLS = ROOT / "tests" / "tools"
STORIES = {
    "h5": ("I have a Keras `.h5`,", "image-classification", ["tensorflow"]),
    "pth": ("I have a `.pth` of my class.", "image-classification", ["pytorch"]),
    "bert": ("I have a fine-tuned BERT folder,", "text-classification", AXES["backend"]),
}
"""What is brought: how its story begins, the task, and the backends whose READMEs have it."""
TOLD = [
    (kind, backend, serving)
    for kind, (_, _, backends) in STORIES.items()
    for backend in backends
    for serving in AXES["serving"]
    if serving == "in-process" or kind != "bert"
]
"""Behind a model server once a backend: a folder's texts are read in the web tier."""
COMMAND = "cookiecutter gh:ORG/cookiecutter-model-serving --no-input backend={} task={}"
pytestmark = pytest.mark.generated


def blocks(text: str) -> dict[str, list[str]]:
    """The blocks of code in a Markdown *text*, by their language."""
    found: dict[str, list[str]] = {}
    for language, block in re.findall(r"(?ms)^```(\w+)\n(.*?)^```$", text):
        found.setdefault(language, []).append(block)
    return found


def commands(block: str) -> list[list[str]]:
    """The commands of a *block*, in words."""
    return [shlex.split(line, comments=True) for line in block.replace("\\\n", "").splitlines()]


@pytest.mark.parametrize("case", TOLD, ids="-".join)
def test_a_readmes_story_ends_with_the_originals_answer(
    case: tuple[str, str, str],
    bakes: Bakes,
    backend_env: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kind, backend, serving = case
    story, task, _ = STORIES[kind]
    words = installed_in(backend_env(backend))
    start = time.monotonic()
    chosen = {"backend": backend, "task": task, "serving": serving}
    answers = next(row for row in COMBINATIONS if chosen.items() <= row.items())
    repo = bakes.fresh(tmp_path / "new", **answers)
    readme = (repo / "README.md").read_text(encoding="utf-8")
    told = blocks(readme.partition(f"**{story}")[2].partition("\n**I have ")[0])
    tried = blocks(readme.partition("## Try it")[2].partition("\n## ")[0])["sh"]
    ask = commands(tried[1])[0]
    rendered = time.monotonic() - start

    maker = "tensorflow" if kind == "h5" else "pytorch"
    python = backend_env(maker) / "bin" / "python"
    question = next(word for word in ask if word.startswith(("image=", "{")))
    said = run(python, TOOLS / f"probe_story_{kind}.py", question, cwd=repo)
    expected = json.loads(said.splitlines()[-1])

    start = time.monotonic()
    serve = [" ".join(command) for command in commands(tried[0])]
    typed = [COMMAND.format(backend, task), f"cd {repo.name}"]
    if serving == "model-server":
        typed[0] += f" serving={serving}"
    for block in told.get("python", []):
        network = repo / "src" / "model" / "network.py"
        code, _, rest = network.read_text(encoding="utf-8").partition("def build(")
        rest = rest.partition("\n\n\n")[2]
        code += (repo / "class.py").read_text(encoding="utf-8") + f"\n\n{block}\n\n{rest}"
        network.write_text(code, encoding="utf-8")
        typed += block.splitlines()
    for command in commands(told["sh"][0]):
        run(*command, *words, cwd=repo)
    assert serve == ["make model-server"] * (serving == "model-server") + ["make serve"]
    with (
        model_server(repo, answers, words, tmp_path) as told_by_it,
        running(repo, clean_environ() | told_by_it, tmp_path / "log", words) as service,
    ):
        service.wait_until_ready()
        ask = [word.replace("http://localhost:8000", service.url) for word in ask]
        answer = json.loads(subprocess.check_output(ask, cwd=repo))
        seconds = rendered + time.monotonic() - start

    assert answer["prediction"] == expected["label"]
    assert answer["score"] == pytest.approx(expected["score"], abs=1e-4)
    typed += [*told["sh"][0].splitlines(), *serve, *tried[1].splitlines()]
    count = sum(len(line) + 1 for line in typed)
    with capsys.disabled():
        sys.stdout.write(f"\n{story} {backend}, {serving}: {seconds:.0f} s, {count} characters\n")
