"""The page of each task and the API's description, used in a browser."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bakes import Bake
from matrix import ROOT, Combination
from npm import installed
from service import Service, clean_environ, free_port
from shell import run

pytestmark = pytest.mark.generated

SCRIPT = ROOT / "tests" / "tools" / "page.mjs"
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


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["task"]))
def test_the_page_works_in_a_browser(
    row: Combination, bake: Bake, backend_env: Callable[[str], Path], tmp_path: Path
) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("Chromium is not installed, so no page was opened")
    modules = installed("page", "playwright-core@1.65.1", "axe-core@4.14.1")
    repo = bake(**row)
    python = backend_env(row["backend"]) / "bin" / "python"
    prepare = WRITE_MODEL
    if row["task"] == "image-classification":
        prepare += WRITE_PICTURES
    environ = clean_environ() | {
        "PYTHONPATH": os.pathsep.join([str(repo / "src"), str(repo / "tests")]),
        "MODEL_DIR": "default",
        "PORT": str(free_port()),
    }
    subprocess.run([python, "-c", prepare], cwd=tmp_path, env=environ, check=True)
    script = shutil.copy(SCRIPT, modules.parent)
    log = tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [python, repo / "tests" / "fake_service.py"],
            cwd=tmp_path,
            env=environ,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        service = Service(process, f"http://127.0.0.1:{environ['PORT']}", log)
        service.wait_until_ready()
        run("node", script, service.url, row["task"], tmp_path, browser, cwd=tmp_path)
    finally:
        process.terminate()
        process.wait(60)
