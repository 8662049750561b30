"""The model server of a generated repository, where it has one."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from machinery import lay_over
from matrix import Combination
from service import clean_environ, free_port

START_SECONDS = 120
PROBE = Path(__file__).parent / "probe_model_server.py"


@contextmanager
def model_server(
    repo: Path, answers: Combination, words: Sequence[str], folder: Path
) -> Iterator[dict[str, str]]:
    """Run the model server of *repo*; gives the environment of the service that asks it.

    TorchServe is started by ``make model-server`` with *words*. TensorFlow Serving, of which no
    package has the binary, is stood in for by what the tests of the machinery start.
    """
    if answers["serving"] == "in-process":
        yield {}
        return
    if answers["backend"] == "pytorch":
        server = _torchserve(repo, words, folder)
    else:
        laid = folder / "laid"
        for name in ("src", "tests", "model_server"):
            shutil.copytree(repo / name, laid / name)
        shutil.copy(repo / "pyproject.toml", laid)  # which the service's settings read
        lay_over(laid, answers)
        server = _stand_in(laid, repo / "models" / "default", words, folder)
    with server as told:
        yield told


@contextmanager
def _torchserve(repo: Path, words: Sequence[str], folder: Path) -> Iterator[dict[str, str]]:
    with TemporaryDirectory(prefix="torchserve-") as state:
        address = f"http://127.0.0.1:{free_port()}"
        environ = clean_environ() | {
            "STATE_DIR": state,
            "INFERENCE_ADDRESS": address,
            "METRICS_ADDRESS": f"http://127.0.0.1:{free_port()}",
            "MANAGEMENT_PORT": str(free_port()),
            "GRPC_PORT": str(free_port()),
        }
        key_file = Path(state) / "key_file.json"
        with (folder / "model-server.log").open("wb") as log:
            process = subprocess.Popen(
                ["make", "model-server", *words], cwd=repo, env=environ, stdout=log, stderr=log
            )
        try:
            _wait_for(key_file, process, folder / "model-server.log")
            yield {"MODEL_SERVER_URL": address, "MODEL_SERVER_KEY_FILE": str(key_file)}
        finally:
            # Sent to make's child: make passes its status on, but dies of a signal to itself.
            subprocess.run(["pkill", "-TERM", "-P", str(process.pid)], check=False)
            assert process.wait(60) == 0, (folder / "model-server.log").read_text()


def _wait_for(key_file: Path, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while not key_file.is_file():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)


@contextmanager
def _stand_in(
    repo: Path, model_dir: Path, words: Sequence[str], folder: Path
) -> Iterator[dict[str, str]]:
    venv = next(word.removeprefix("VENV=") for word in words if word.startswith("VENV="))
    path = os.pathsep.join([str(repo / "src"), str(repo / "tests")])
    with subprocess.Popen(
        [f"{venv}/bin/python", str(PROBE), str(model_dir), str(folder)],
        cwd=repo,
        env=clean_environ() | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            told: dict[str, str] = json.loads(process.stdout.readline())
            yield told
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
