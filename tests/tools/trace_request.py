"""The path of one request through a repository's files, as Python runs it.

Run in a generated repository, with its environment's Python and ``src`` and ``tests`` on its path:

    PYTHONPATH=src:tests .venv/bin/python <template>/tests/tools/trace_request.py

Prints each change of file in the request's thread and in the executor's, and how many files of
``src`` were passed. Sends the sample of the repository's own tests, to the model that they use.
"""

import sys
import tempfile
import threading
import time
from pathlib import Path
from types import FrameType

import httpx
import samples
from fake_version import write_fake_version
from fakes import fake_model
from service.metrics import Metrics
from service.pipeline import Pipeline
from service.settings import Settings
from service.web.app import create_app

SOURCE = Path.cwd() / "src"


class Trace:
    """The calls of functions in ``src``, by thread."""

    def __init__(self) -> None:
        self.paths: dict[str, list[str]] = {}

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        """Note one event of the profiler."""
        file = Path(frame.f_code.co_filename)
        if event == "call" and file.is_relative_to(SOURCE):
            path = self.paths.setdefault(threading.current_thread().name, [])
            name = str(file.relative_to(SOURCE))
            if path[-1:] != [name]:
                path.append(name)


def main() -> None:
    """Trace one request, after one that warms up."""
    folder = Path(tempfile.mkdtemp()) / "default"
    write_fake_version(folder)
    settings = Settings(model_dir=folder, _env_file=None, log_level="error")
    metrics = Metrics()
    trace = Trace()
    threading.setprofile(trace)  # for the executor's thread
    pipeline = Pipeline(settings, metrics, sys.exit, fake_model())
    transport = httpx.WSGITransport(app=create_app(pipeline, settings, metrics))
    pipeline.start()
    while not pipeline.is_ready:
        time.sleep(0.01)
    with httpx.Client(transport=transport, base_url="http://service.test") as client:
        headers = {"Content-Type": samples.RAW_MEDIA_TYPE}
        client.post(samples.ROUTE, content=samples.RAW, headers=headers)
        trace.paths.clear()
        sys.setprofile(trace)
        response = client.post(samples.ROUTE, content=samples.RAW, headers=headers)
        sys.setprofile(None)
    pipeline.close()
    for thread, path in trace.paths.items():
        print(f"{thread}: {' > '.join(path)}")  # noqa: T201
    passed = {file for path in trace.paths.values() for file in path}
    print(f"{response.status_code}: {len(passed)} files")  # noqa: T201


if __name__ == "__main__":
    main()
