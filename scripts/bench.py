"""Measure the template and what it generates; prints Markdown.

Each figure is of this machine, with the load generator beside the service.
"""

import json
import mimetypes
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service import Service, clean_environ, running
from streams import read_streams

ROOT = Path(__file__).resolve().parent.parent
sys.path += [str(ROOT / "tests"), str(ROOT / "tests" / "tools")]

from environments import shared_environment  # noqa: E402
from matrix import COMBINATIONS, Combination, features, name_of, without_ci  # noqa: E402

RENDERS = 10
CONCURRENCIES = (1, 8, 32)
READERS = (1, 4, 16)
SECONDS = 8
UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def bake(answers: Combination, folder: Path) -> Path:
    """Render *answers* below *folder*, by cookiecutter's command."""
    words = [f"{question}={answer}" for question, answer in answers.items()]
    command = [sys.executable, "-m", "cookiecutter", "--no-input", "--default-config"]
    subprocess.run([*command, "-o", str(folder), str(ROOT), *words], check=True)
    return next(folder.iterdir())


def renders_per_second() -> float:
    """How many projects cookiecutter's command renders in a second, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        for number in range(RENDERS):
            bake(COMBINATIONS[number % len(COMBINATIONS)], Path(folder) / str(number))
        return RENDERS / (time.perf_counter() - start)


def script_of(example: Path) -> str:
    """What makes wrk send *example* as the body of its requests."""
    body = "".join(f"\\{byte:03d}" for byte in example.read_bytes())
    media_type = mimetypes.guess_type(example)[0]
    return (
        f'wrk.method = "POST"\nwrk.body = "{body}"\nwrk.headers["Content-Type"] = "{media_type}"\n'
    )


def asked_by_wrk(service: Service, script: Path, concurrency: int) -> tuple[float, float, float]:
    """Requests per second, and the median and 99th percentile of latency in milliseconds."""
    load = [f"-t{min(concurrency, 2)}", f"-c{concurrency}", f"-d{SECONDS}s"]
    command = ["wrk", "--latency", *load, "-s", str(script), f"{service.url}/predict"]
    said = subprocess.check_output(command, text=True)
    if errors := re.search(r"Non-2xx or 3xx responses: \d+|Socket errors: .*", said):
        raise RuntimeError(f"{service.url} did not answer all: {errors[0]}")
    latency = {
        percent: float(number) * UNITS_MS[unit]
        for percent, number, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)", said)
    }
    (rate,) = re.findall(r"Requests/sec:\s+([\d.]+)", said)
    return float(rate), latency["50"], latency["99"]


@contextmanager
def served(repo: Path, venv: Path) -> Iterator[tuple[Service, float]]:
    """The service of *repo* with its starter, and the seconds until it was ready."""
    environ = clean_environ() | {"LOG_LEVEL": "warning"}
    words = [f"VENV={venv}", "-o", f"{venv}/.installed"]
    subprocess.run(["make", "model", *words], cwd=repo, env=environ, check=True, stdout=sys.stderr)
    start = time.perf_counter()
    with running(repo, environ, repo / "service.log", words) as service:
        service.wait_until_ready()
        yield service, time.perf_counter() - start


def predictions(repo: Path, venv: Path) -> Iterator[list[str]]:
    """For each concurrency: start-up seconds, requests per second, median and 99th percentile."""
    expected = json.loads((repo / "examples" / "expected.json").read_text())
    script = repo / "example.lua"
    script.write_text(script_of(repo / "examples" / next(iter(expected["/predict"]))))
    with served(repo, venv) as (service, startup):
        for concurrency in CONCURRENCIES:
            rate, p50, p99 = asked_by_wrk(service, script, concurrency)
            yield [f"{concurrency}", f"{startup:.1f}", f"{rate:.0f}", f"{p50:.1f}", f"{p99:.1f}"]


def generations(repo: Path, venv: Path) -> Iterator[list[str]]:
    """For each number of readers: start-up seconds, tokens per second, time to a first piece."""
    with served(repo, venv) as (service, startup):
        read_streams(service.url, 1, 1)
        alone = 0.0
        for readers in READERS:
            rate, figures = read_streams(service.url, readers, SECONDS)
            alone = alone or rate
            ratio = f"{rate / alone:.2f}"
            yield [f"{readers}", f"{startup:.1f}", f"{rate:.0f}", ratio, f"{figures.first_ms:.1f}"]


TABLES = {
    "predict": (
        ("concurrency", "ready after s", "requests/s", "p50 ms", "p99 ms"),
        predictions,
    ),
    "generate": (
        ("streams", "ready after s", "tokens/s", "to one stream", "first token after ms"),
        generations,
    ),
}


def main() -> None:
    """Measure all, and print a table for each kind; words choose among the repositories."""
    if shutil.which("wrk") is None:
        sys.exit('"wrk" is not installed, which asks the services. Debian and Homebrew have it.')
    chosen = [
        answers
        for answers in without_ci(COMBINATIONS)
        if all(word in answers.values() for word in sys.argv[1:])
        and answers["serving"] == "in-process"  # what else answers is measured by itself
    ]
    print(f"{os.cpu_count()} CPUs; {renders_per_second():.1f} renders per second")
    with tempfile.TemporaryDirectory() as folder:
        repos = {
            name_of(answers): bake(answers, Path(folder) / name_of(answers))
            for answers in without_ci(COMBINATIONS)
        }
        for kind, (columns, measure) in TABLES.items():
            of_this_kind = [
                each for each in chosen if ("predict" in features(each)) == (kind == "predict")
            ]
            if not of_this_kind:
                continue
            print(f"\n| repository | {' | '.join(columns)} |\n|---|{'--:|' * len(columns)}")
            for answers in of_this_kind:
                venv = shared_environment(answers["backend"], lambda each: repos[name_of(each)])
                for row in measure(repos[name_of(answers)], venv):
                    print(f"| {name_of(answers)} | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
