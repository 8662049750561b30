"""Measure the template and what it generates; prints Markdown.

Each figure is of this machine, with the load generator beside the service.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from service import Service, clean_environ, running

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests"))

from environments import shared_environment  # noqa: E402
from matrix import COMBINATIONS, Combination, name_of, without_ci  # noqa: E402

RENDERS = 10
CONCURRENCIES = (1, 8, 32)
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


def script_of(image: Path) -> str:
    """What makes wrk send *image* as the body of its requests."""
    body = "".join(f"\\{byte:03d}" for byte in image.read_bytes())
    return f'wrk.method = "POST"\nwrk.body = "{body}"\nwrk.headers["Content-Type"] = "image/png"\n'


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


def rows(answers: Combination, repo: Path, venv: Path) -> Iterator[list[float]]:
    """For each concurrency: start-up seconds, requests per second, median and 99th percentile."""
    environ = clean_environ() | {"LOG_LEVEL": "warning"}
    words = [f"VENV={venv}", "-o", f"{venv}/.installed"]
    subprocess.run(["make", "model", *words], cwd=repo, env=environ, check=True)
    (repo / "digit.lua").write_text(script_of(next(repo.glob("examples/*.png"))))
    start = time.perf_counter()
    with running(repo, environ, repo / "service.log", words) as service:
        service.wait_until_ready()
        startup = time.perf_counter() - start
        for concurrency in CONCURRENCIES:
            print(f"asking {name_of(answers)}, {concurrency} at a time", file=sys.stderr)
            yield [startup, *asked_by_wrk(service, repo / "digit.lua", concurrency)]


def main() -> None:
    """Measure all, and print one table."""
    if shutil.which("wrk") is None:
        sys.exit('"wrk" is not installed, which asks the services. Debian and Homebrew have it.')
    print(f"{os.cpu_count()} CPUs; {renders_per_second():.1f} renders per second\n")
    print(
        "| repository | concurrency | ready after s | requests/s | p50 ms | p99 ms | to first row |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|")
    first: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        repos = {
            name_of(answers): bake(answers, Path(folder) / name_of(answers))
            for answers in without_ci(COMBINATIONS)
        }
        for answers in without_ci(COMBINATIONS):
            venv = shared_environment(answers["backend"], lambda each: repos[name_of(each)])
            found = rows(answers, repos[name_of(answers)], venv)
            for number, (concurrency, row) in enumerate(zip(CONCURRENCIES, found, strict=True)):
                startup, rate, p50, p99 = row
                first += [rate] if len(first) == number else []
                print(
                    f"| {name_of(answers)} | {concurrency} | {startup:.1f} | {rate:.0f} "
                    f"| {p50:.1f} | {p99:.1f} | {rate / first[number]:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
