"""The first commands of a newcomer, where only pip knows where packages are.

No variable, a home with nothing in it but pip's configuration, no answer from PyTorch's index.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bakes import copy_template
from packages_script import packages
from service import CACHE, free_port, running
from shell import SECONDS, run

pytestmark = pytest.mark.generated
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def pip_options() -> dict[str, str]:
    """What pip knows here."""
    listed = run(sys.executable, "-m", "pip", "config", "list", cwd=Path.home())
    found: dict[str, str] = packages.pip_options(listed)
    return found


def cpu_wheels(find_links: str) -> str:
    """*find_links*, with a folder of PyTorch's CPU build: the CUDA build takes gigabytes."""
    here = any(list(Path(each).glob("torch-*+cpu-*.whl")) for each in find_links.split())
    if here or sys.platform != "linux":
        return find_links
    folder = CACHE / "wheels"
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(folder)]
    run(*pip, "--index-url", CPU_INDEX, "torch>=2.13,<2.14", cwd=Path.home())
    return f"{find_links} {folder}"


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """All variables of a fresh machine; uv's downloads are those of other runs."""
    home = tmp_path_factory.mktemp("home")
    options = pip_options()
    options["find-links"] = cpu_wheels(options.get("find-links", ""))
    config = home / ".config" / "pip" / "pip.conf"
    config.parent.mkdir(parents=True)
    lines = [f"{name} = {' '.join(value.split())}\n" for name, value in options.items()]
    config.write_text("".join(["[global]\n", *lines]), encoding="utf-8")
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "TORCH_INDEX": f"http://127.0.0.1:{free_port()}/whl/cpu",
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(CACHE.parent / "uv")),
    }


def test_make_demo_and_make_serve_work_on_a_fresh_machine(
    environ: dict[str, str], tmp_path: Path
) -> None:
    template = copy_template(tmp_path / "template")
    demo = subprocess.run(
        ["make", "demo"],
        cwd=template,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    said = demo.stdout

    assert demo.returncode == 0, said
    assert said.count(f"cannot be had from {environ['TORCH_INDEX']}") == 1
    assert "nvidia" not in said
    assert "curl -F image=@examples/7.png" in said
    assert '"prediction": "7"' in said
    (lies_in,) = [line for line in said.splitlines() if line.startswith("The repository lies in ")]
    made = Path(lies_in.split()[4].rstrip("."))

    repo = made.rename(tmp_path / "moved and renamed")
    by_path = run("make", "--dry-run", "check", "format", cwd=repo, **environ)
    assert [line for line in by_path.splitlines() if line.startswith(".venv/bin/")] == [
        line for line in by_path.splitlines() if line.startswith(".venv/bin/python ")
    ]
    (repo / ".venv" / "bin" / "python").unlink()  # as when its Python was removed
    with running(repo, environ, tmp_path / "log") as service:
        service.wait_until_ready()
        answer = service.ask("/predict", repo / "examples" / "7.png")
    assert answer["prediction"] == "7"
    assert ".venv has lost its Python, so it is made again." in (tmp_path / "log").read_text()


def test_make_demo_ends_with_one_sentence_where_packages_are_missing(
    environ: dict[str, str], tmp_path: Path
) -> None:
    template = copy_template(tmp_path / "template")
    home = Path(shutil.copytree(environ["HOME"], tmp_path / "home", symlinks=True))
    nowhere = {"HOME": str(home), "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}
    empty = nowhere | {"PIP_FIND_LINKS": str(tmp_path), "UV_CACHE_DIR": str(tmp_path / "uv")}
    venv = Path(sys.prefix)
    demo = subprocess.run(
        ["make", "demo", f"VENV={venv}", "-o", f"{venv}/.installed"],
        cwd=template,
        env=environ | empty,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    last = demo.stderr.splitlines()[-2:]

    assert demo.returncode != 0
    assert "Traceback" not in demo.stderr + demo.stdout
    assert last[0].startswith("error: "), demo.stderr
    assert "pip config list" in last[0]
    assert last[1].startswith("make: ***")
