"""Measure TensorFlow Serving's two interfaces beside each other; prints Markdown.

Run in a repository that predicts behind TensorFlow Serving by the Python of its environment, with
``src`` and ``tests`` on its path and a model's folder as its word. What answers is the stand-in,
whose own work is in the rates; the client's CPU time is not.
"""

import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from model_servers import RunningServer, running_server
from service.manifest import Arrays
from service.model_server import ModelServer

from service import manifest as manifests

SECONDS = 3
ROUNDS = 3
SIZES = (1, 8)
THREADS = (1, 8)


def measure(client: ModelServer, batch: Arrays, threads: int) -> tuple[float, float]:
    """Calls per second, and milliseconds of this process's CPU for each."""
    calls = [0] * threads
    end = time.perf_counter() + SECONDS

    def ask(number: int) -> None:
        while time.perf_counter() < end:
            client.predict(batch, timeout_seconds=30)
            calls[number] += 1

    begun, cpu = time.perf_counter(), time.process_time()
    asking = [threading.Thread(target=ask, args=(number,)) for number in range(threads)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    total = sum(calls)
    cost = 1000 * (time.process_time() - cpu) / total
    return total / (time.perf_counter() - begun), cost


def table(server: RunningServer) -> None:
    """All sizes and numbers of threads, both interfaces in turn, medians of all rounds."""
    inputs, _ = manifests.read_golden(server.model_dir / "1")
    urls = (server.url_of("grpc"), server.url_of("rest"))
    clients = [ModelServer(server.as_settings(url), server.manifest()) for url in urls]
    print("| rows | threads | gRPC calls/s | REST calls/s | ratio | gRPC CPU ms | REST CPU ms |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    for size in SIZES:
        batch = {name: array[:size] for name, array in inputs.items()}
        for threads in THREADS:
            rounds = [[measure(each, batch, threads) for each in clients] for _ in range(ROUNDS)]
            grpc, rest = (
                [statistics.median(one[side][figure] for one in rounds) for figure in (0, 1)]
                for side in (0, 1)
            )
            print(
                f"| {size} | {threads} | {grpc[0]:.0f} | {rest[0]:.0f} | {grpc[0] / rest[0]:.2f} "
                f"| {grpc[1]:.2f} | {rest[1]:.2f} |",
                flush=True,
            )


with tempfile.TemporaryDirectory() as folder, running_server(Path(sys.argv[1]), Path(folder)) as it:
    table(it)
