"""What the probe asks a repository that generates."""

from typing import Any

import samples
from model.preprocess import Task

PATHS = ["/generate/", "/v1", "/v1/nothing", "/v1/models/other"]
"""Beside the routes."""


def requests(_task: Task) -> list[dict[str, Any]]:
    """Every kind of body, good and bad, whole and streamed."""
    message = {"role": "user", "content": samples.VALUE}
    poison = {"role": "user", "content": samples.POISON}
    named = {"model": "default"}
    questions = {
        samples.ROUTE: [samples.BODY, {"text": samples.POISON}, {"text": ""}],
        "/v1/completions": [
            {**named, "prompt": [samples.VALUE, samples.NOTHING], "n": 2},
            {**named, "prompt": samples.POISON},
            {**named, "prompt": samples.VALUE, "echo": True},
        ],
        "/v1/chat/completions": [
            {**named, "messages": [message]},
            {**named, "messages": [poison]},
            {"model": "other", "messages": [message]},
        ],
    }
    return [
        {"method": "POST", "url": route, **body}
        for route, bodies in questions.items()
        for body in [
            *[{"json": {**body, "stream": stream}} for body in bodies for stream in (False, True)],
            {"json": {"unknown": 1}},
            {"json": []},
            {"content": b"{", "headers": {"content-type": "application/json"}},
            {"content": b"x", "headers": {"content-type": "text/csv"}},
            {"content": b"x" * 20_000_000},
            {"headers": {"content-length": "x"}},
            {"json": bodies[0], "headers": {"x-request-timeout": "never"}},
        ]
    ]
