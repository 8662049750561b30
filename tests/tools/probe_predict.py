"""What the probe asks a repository that predicts."""

from typing import Any

import samples
from model.preprocess import Task
from service.owner import INPUT_FIELD
from service.web.tensors import HEADER_LENGTH
from tensors import in_bytes, in_json

INFER = "/v2/models/default/infer"
PATHS = ["/predict/", "/v2/", "/v2/nothing", "/v2/models/other", "/v2/models/default/versions/2"]
"""Beside the routes."""


def requests(task: Task) -> list[dict[str, Any]]:
    """Every kind of body, good and bad."""
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
    listed = [{"method": "POST", "url": "/predict", **body} for body in bodies]
    return listed + [{"method": "POST", "url": INFER, **body} for body in tensors(task)]


def tensors(task: Task) -> list[dict[str, Any]]:
    """Tensors in JSON and in bytes, good and bad."""
    arrays, poison = (
        task.preprocess(value).arrays for value in (samples.VALUE, samples.POISON_VALUE)
    )
    request = in_json(arrays)
    good = in_bytes(request)
    wrong = [
        {**request["inputs"][0], field: value}
        for field, value in [
            ("name", "é"),
            ("datatype", "BYTES"),
            ("shape", [-1]),
            ("data", ["x"]),
            ("parameters", {"binary_data_size": 1}),
            ("unknown", 1),
        ]
    ]
    return [
        {"json": request},
        {"json": {**request, "id": "é", "parameters": {"binary_data_output": True}}},
        good,
        {"json": in_json(arrays, arrays)},
        {"json": in_json(*[arrays] * 40)},
        {"json": in_json(poison)},
        {"json": {"inputs": []}},
        {"json": {**request, "outputs": [{"name": "unknown"}]}},
        *[{"json": {"inputs": [tensor]}} for tensor in wrong],
        {"content": good["content"]},
        {**good, "headers": {HEADER_LENGTH: "x"}},
        {**good, "headers": {HEADER_LENGTH: "9" * 9}},
        {**good, "content": good["content"] + b"x"},
        {"json": request, "headers": {"content-encoding": "gzip"}},
        {"json": request, "headers": {"x-request-timeout": "never"}},
        {"content": b"x" * 20_000_000},
    ]
