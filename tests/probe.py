"""Ask a generated repository's application a list of requests and print its answers as JSON.

Run in the repository by the Python of its environment, with ``src`` and ``tests`` on its path. The
application is the repository's own, with the model that its own tests put in place of a network.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import samples
from fakes import fake_model, write_fake_version
from service.metrics import Metrics
from service.pipeline import Pipeline
from service.schemas import INPUT_FIELD
from service.settings import Settings
from service.web.app import create_app
from service.web.routes import ROUTES

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE")
OWN = {"x-request-id": "probe"}


def requests() -> list[dict[str, Any]]:
    """Every route by every method, and every kind of body, good and bad."""
    paths = [*ROUTES, "/nothing", "/predict/", "/static/page.css", "/static/none", "/static/../x"]
    listed: list[dict[str, Any]] = [
        {"method": method, "url": path} for path in paths for method in METHODS
    ]
    bodies: list[dict[str, Any]] = [
        {"json": {INPUT_FIELD: samples.VALUE}},
        {"json": {"inputs": [samples.VALUE, samples.OTHER_VALUE]}},
        {"json": {"inputs": []}},
        {"json": {"inputs": [samples.VALUE] * 40}},
        {"json": {INPUT_FIELD: samples.POISON_VALUE}},
        {"json": {"unknown": 1}},
        {"json": []},
        {"files": {INPUT_FIELD: samples.RAW}},
        {"files": [(INPUT_FIELD, samples.RAW), (INPUT_FIELD, b"")]},
        {"files": {"unknown": samples.RAW}},
        {"content": samples.RAW, "headers": {"content-type": samples.RAW_MEDIA_TYPE}},
        {"content": b"{", "headers": {"content-type": "application/json"}},
        {"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=b"}},
        {"content": b"x", "headers": {"content-type": "text/csv"}},
        {"content": b"x" * 20_000_000},
        {"headers": {"content-length": "x"}},
        {"json": {INPUT_FIELD: samples.VALUE}, "headers": {"x-request-timeout": "never"}},
    ]
    bodies += [{"json": {INPUT_FIELD: value}} for value in (None, 7, "", "%", "aGVsbG8=")]
    return listed + [{"method": "POST", "url": "/predict", **body} for body in bodies]


def answer(client: httpx.Client, request: dict[str, Any]) -> dict[str, Any]:
    """What a caller sees of the answer to *request*."""
    response = client.request(**(request | {"headers": OWN | request.get("headers", {})}))
    body, headers = response.text, dict(response.headers)
    if request["url"] == "/metrics":  # whose figures differ with time
        body = headers["content-length"] = ""
    return {"status": response.status_code, "headers": dict(sorted(headers.items())), "body": body}


def main() -> None:
    """Print one answer a line."""
    folder = Path(tempfile.mkdtemp())
    write_fake_version(folder / "default")
    settings = Settings(model_dir=folder / "default", _env_file=None, log_level="error")
    metrics = Metrics()
    pipeline = Pipeline(settings, metrics, sys.exit, load=fake_model())
    pipeline.start()
    while not pipeline.is_ready:
        time.sleep(0.01)
    transport = httpx.WSGITransport(app=create_app(pipeline, settings, metrics))
    with httpx.Client(transport=transport, base_url="http://service.test") as client:
        for request in requests():
            about = f"{request['method']} {request['url']} {str(request)[:200]}"
            sys.stdout.write(json.dumps([about, answer(client, request)]) + "\n")
    pipeline.close()


if __name__ == "__main__":
    main()
