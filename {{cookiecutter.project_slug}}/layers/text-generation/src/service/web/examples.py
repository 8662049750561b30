"""Requests of ``examples/`` to this model, for the description of the routes."""

import json
from typing import Any

from service.pipeline import Pipeline
from service.smoke import Example


def bodies(pipeline: Pipeline, examples: list[Example]) -> dict[str, dict[str, Any]]:
    """An example of a body, by path and Content-Type; ``ValueError`` where one is not JSON."""
    name = pipeline.model_version.name
    requests = {each.route: json.loads(each.path.read_bytes()) for each in reversed(examples)}
    for route, request in requests.items():
        if route.startswith("/v1/"):
            request["model"] = name
    if "/generate" in requests:
        requests["/v1/completions"] = {"model": name, "prompt": requests["/generate"]["text"]}
    return {route: {"application/json": request} for route, request in requests.items()}
