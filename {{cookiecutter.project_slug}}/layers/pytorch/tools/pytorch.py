"""Install PyTorch: its CPU build where that can be had, else the build that pip would find.

usage: pytorch.py VENV INDEX

INDEX has PyTorch's CPU build. Where it is empty or does not answer, the locks pin either build.
INDEX "cuda" is the build for GPUs, from where pip finds packages, and no other.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from packages import IS_CLOSED, PLACES, run, settings, uv_pip_install

ATTEMPT_SECONDS = 10
LOCKS = ("requirements.lock", "requirements-cuda.lock")


def why_not(command: list[str], environ: Mapping[str, str]) -> str:
    """The last line of what *command* says when it fails, or nothing."""
    quick = {**environ, "UV_HTTP_TIMEOUT": "5", "UV_HTTP_RETRIES": "0"}
    try:
        done = run(*command, check=False, env=quick, timeout=ATTEMPT_SECONDS)
    except subprocess.TimeoutExpired:
        return f"no answer in {ATTEMPT_SECONDS} seconds"
    return done.stderr.strip().splitlines()[-1].strip() if done.returncode else ""


def install(venv: Path, index: str) -> None:
    """Install torch into *venv*."""
    environ = settings(venv)
    locks = [f"--constraint={Path(name).absolute()}" for name in LOCKS]
    torch = [*uv_pip_install(venv), "torch", *locks]
    if index == "cuda":
        version = re.search(r"^torch==([\w.]+)", Path(LOCKS[0]).read_text("utf-8"), re.MULTILINE)
        torch += [f"torch!={version[1]}+cpu"] if version else []
    elif index and not IS_CLOSED:
        alone = {name: value for name, value in environ.items() if name not in PLACES}
        from_index = [*torch, "--no-deps", "--default-index", index]
        reason = why_not([*from_index, "--dry-run"], alone)
        if not reason:
            run(*from_index, env=alone)
            return
        print(
            f"PyTorch's CPU build cannot be had from {index} ({reason}), so torch comes from "
            "where pip finds packages. On Linux that may be the CUDA build, of several GB.",
            flush=True,
        )
    # Not beside pyproject.toml, which leaves out what the CUDA build needs: NVIDIA's packages.
    run(*torch, env=environ, cwd=tempfile.gettempdir())


if __name__ == "__main__":
    install(Path(sys.argv[1]).absolute(), sys.argv[2])
