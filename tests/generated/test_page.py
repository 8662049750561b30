"""The page of each task and the API's description, used in a browser."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from bakes import Bake
from matrix import ROOT, Combination
from npm import installed
from service import Service, clean_environ, free_port
from shell import run

pytestmark = pytest.mark.generated

TOOLS = ROOT / "tests" / "tools"
WRITE_MODEL = """
import pathlib, fake_version, samples
fake_version.write_fake_version(pathlib.Path("default"))
"""
WRITE_PICTURES = """
names = {"bright.png": samples.RAW, "dark.png": samples.OTHER_RAW, "wrong.png": b"no picture"}
names['$(touch ran) `touch ran` it\\'s; "a\\\\b",.png'] = samples.RAW
for name, content in names.items():
    pathlib.Path(name).write_bytes(content)
"""
ROWS: list[Combination] = [
    {"task": task, "framework": framework, "backend": backend, "serving": "in-process"}
    for task, framework, backend in [
        ("image-classification", "flask", "pytorch"),
        ("text-classification", "django", "tensorflow"),
        ("token-classification", "django", "pytorch"),
        ("text-generation", "flask", "tensorflow"),
    ]
]
"""Each task, framework and backend."""
ONE_OF_EACH_KIND = ROWS[1], ROWS[3]
"""What predicts and what generates, with another framework and backend."""


KEY = "a-key-of-the-tests"


@pytest.fixture(scope="session")
def browse() -> Callable[..., None]:
    """A function that runs a script of ``tests/tools`` with a browser, in a folder."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("Chromium is not installed, so no page was opened")
    folder = installed("page", "playwright-core@1.65.1", "axe-core@4.14.1").parent

    def of(script: str, cwd: Path, *words: str) -> None:
        copied = shutil.copy(TOOLS / script, folder)
        run("node", copied, *words, cwd=cwd, BROWSER=browser)

    return of


@contextmanager
def serving(
    row: Combination, repo: Path, python: Path, folder: Path, **settings: str
) -> Iterator[Service]:
    """A service of *repo* with the model that is no model, in *folder*, ready."""
    prepare = WRITE_MODEL
    if row["task"] == "image-classification":
        prepare += WRITE_PICTURES
    environ = clean_environ() | settings
    environ |= {
        "PYTHONPATH": os.pathsep.join([str(repo / "src"), str(repo / "tests")]),
        "MODEL_DIR": "default",
        "PORT": str(free_port()),
    }
    subprocess.run([python, "-c", prepare], cwd=folder, env=environ, check=True)
    log = folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [python, repo / "tests" / "fake_service.py"],
            cwd=folder,
            env=environ,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        service = Service(process, f"http://127.0.0.1:{environ['PORT']}", log)
        service.wait_until_ready()
        yield service
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["task"]))
def test_the_page_works_in_a_browser(
    row: Combination,
    bake: Bake,
    backend_env: Callable[[str], Path],
    tmp_path: Path,
    browse: Callable[..., None],
) -> None:
    python = backend_env(row["backend"]) / "bin" / "python"
    with serving(row, bake(**row), python, tmp_path) as service:
        browse("page.mjs", tmp_path, service.url, row["task"])


@pytest.mark.parametrize("row", ONE_OF_EACH_KIND, ids=lambda row: str(row["task"]))
def test_a_key_is_typed_in_and_other_origins_are_kept_out(
    row: Combination,
    bake: Bake,
    backend_env: Callable[[str], Path],
    tmp_path: Path,
    browse: Callable[..., None],
) -> None:
    python = backend_env(row["backend"]) / "bin" / "python"
    port = str(free_port())
    settings = {
        "API_KEYS": f"page {sha256(KEY.encode()).hexdigest()}",
        "CORS_ORIGINS": f"http://127.0.0.1:{port}",
    }
    route = "/generate" if row["task"] == "text-generation" else "/predict"

    with serving(row, bake(**row), python, tmp_path, **settings) as service:
        browse("keys.mjs", tmp_path, service.url, route, KEY, port)
