"""Show the template at work: bake the default project, train its model, serve it, ask it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from service import CACHE, clean_environ, running

ROOT = Path(__file__).resolve().parent.parent
DEMO = CACHE / "demo"
QUESTION = Path("examples") / "7.png"


def step(text: str) -> None:
    """Say what comes next."""
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def main() -> None:
    """Do it all, step by step."""
    shutil.rmtree(DEMO, ignore_errors=True)
    step("1/4  Baking the default project")
    bake = [sys.executable, "-m", "cookiecutter", "--no-input", "--default-config"]
    subprocess.run([*bake, "-o", str(DEMO), str(ROOT)], check=True)
    (repo,) = DEMO.iterdir()

    environ = clean_environ()
    step("2/4  Setting it up and training its model: make model")
    subprocess.run(["make", "model", f"PYTHON={sys.executable}"], cwd=repo, env=environ, check=True)

    step("3/4  Serving it: make serve")
    with running(repo, environ, DEMO / "service.log") as service:
        service.wait_until_ready()
        step(f"4/4  Asking it: curl -F image=@{QUESTION} {service.url}/predict")
        answer = service.ask("/predict", repo / QUESTION)
    print(json.dumps(answer, indent=2))
    print(f"\nThe image shows a 7, the answer is {answer['prediction']}.")
    print(f"The repository lies in {repo}. It is yours: cd there and type make.")


if __name__ == "__main__":
    main()
