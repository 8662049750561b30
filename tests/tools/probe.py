"""Ask a generated repository's application a list of requests and print its answers as JSON.

Run in the repository by the Python of its environment, with ``src`` and ``tests`` on its path. The
application is the repository's own, with the model that its own tests put in place of a network.
"""

import importlib
import json
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import samples
from fake_version import write_fake_version
from fakes import fake_model
from model.preprocess import Task
from service.metrics import Metrics
from service.pipeline import Pipeline
from service.settings import Settings
from service.web.app import create_app
from service.web.routes import ROUTES

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE")
OWN = {"x-request-id": "probe"}
ASKING = importlib.import_module(f"probe_{samples.ROUTE.removeprefix('/')}")
"""What repositories of this kind are asked."""
BY_CHANCE = re.compile(r'("id":"\w+-|"created":)[0-9a-f]+')
"""What differs from answer to answer."""


def number_of(event: str) -> int:
    """Which of the request's texts an event belongs to; what belongs to none comes behind all."""
    found = re.search(r'"index":(\d+)', event)
    return int(found[1]) if found else 10**9


def requests(task: Task) -> list[dict[str, Any]]:
    """Every route by every method, and every kind of body, good and bad."""
    paths = [route.path.format(name="default", version=1) for route in ROUTES]
    paths += ["/nothing", "/static/page.css", "/static/none", "/static/../x", *ASKING.PATHS]
    listed = [{"method": method, "url": path} for path in paths for method in METHODS]
    return listed + ASKING.requests(task)


def answer(client: httpx.Client, request: dict[str, Any]) -> dict[str, Any]:
    """What a caller sees of the answer to *request*."""
    response = client.request(**(request | {"headers": OWN | request.get("headers", {})}))
    body = BY_CHANCE.sub(r"\1", response.content.decode("latin-1"))
    headers = dict(response.headers)
    if headers.get("content-type", "").startswith("text/event-stream"):
        # The texts of one request come side by side; which is ahead when is a matter of chance.
        body = "\n\n".join(sorted(body.split("\n\n"), key=number_of))
    if request["url"] == "/metrics":  # whose values differ with time
        body = headers["content-length"] = ""
    return {"status": response.status_code, "headers": dict(sorted(headers.items())), "body": body}


def main() -> None:
    """Print one answer a line."""
    folder = Path(tempfile.mkdtemp())
    write_fake_version(folder / "default")
    settings = Settings(model_dir=folder / "default", _env_file=None, log_level="error")
    metrics = Metrics()
    pipeline = Pipeline(settings, metrics, sys.exit, fake_model())
    pipeline.start()
    while not pipeline.is_ready:
        time.sleep(0.01)
    transport = httpx.WSGITransport(app=create_app(pipeline, settings, metrics))
    with httpx.Client(transport=transport, base_url="http://service.test") as client:
        for number, request in enumerate(requests(pipeline.task)):
            about = f"{number} {request['method']} {request['url']} {str(request)[:200]}"
            sys.stdout.write(json.dumps([about, answer(client, request)]) + "\n")
    pipeline.close()


if __name__ == "__main__":
    main()
