"""Show the template at work: bake the default project, train its model, serve it, ask it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import requests

from service import CACHE, clean_environ, running

ROOT = Path(__file__).resolve().parent.parent
DEMO = CACHE / "demo"
QUESTION = Path("examples") / "7.png"


def step(text: str) -> None:
    """Say what comes next."""
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def run(
    command: list[str], remedy: str, folder: Path = ROOT, environ: Mapping[str, str] | None = None
) -> None:
    """Run *command* in *folder*; end with *remedy* when it fails."""
    if status := subprocess.run(command, cwd=folder, env=environ, check=False).returncode:
        sys.exit(f"error: step failed with status {status}; the reason is above. {remedy}")


def main() -> None:
    """Do it all, step by step."""
    for command, package in (("make", "make"), ("pkill", "procps")):
        if shutil.which(command) is None:
            sys.exit(f'error: "{command}" is missing; Debian and Ubuntu have it in {package}.')
    shutil.rmtree(DEMO, ignore_errors=True)
    step("1/4  Baking the default project")
    bake = [sys.executable, "-m", "cookiecutter", "--no-input", "--default-config"]
    run([*bake, "-o", str(DEMO), str(ROOT)], f"Check that {DEMO.parent} can be written.")
    (repo,) = DEMO.iterdir()

    environ = clean_environ()
    step("2/4  Setting it up and training its model: make model")
    run(
        ["make", "model", f"PYTHON={sys.executable}"],
        'If packages were missing: they come from where pip finds them, which "pip config list" '
        'shows; correct that, and run "make demo" again.',
        repo,
        environ,
    )

    step("3/4  Serving it: make serve")
    log = DEMO / "service.log"
    try:
        with running(repo, environ, log) as service:
            service.wait_until_ready()
            step(f"4/4  Asking it: curl -F image=@{QUESTION} {service.url}/predict")
            answer = service.ask("/predict", repo / QUESTION)
    except (RuntimeError, requests.RequestException) as error:
        print(error)
        sys.exit(f"error: the service did not answer; its log is {log}, and may name the reason.")
    print(json.dumps(answer, indent=2))
    print(f"\nThe image shows a 7, the answer is {answer['prediction']}.")
    print(f"The repository lies in {repo}. It is yours: cd there and type make.")


if __name__ == "__main__":
    main()
