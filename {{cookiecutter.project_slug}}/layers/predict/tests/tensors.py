"""Requests of the Open Inference Protocol, made by hand."""

import json
from copy import deepcopy
from typing import Any

import numpy as np

from service.manifest import Arrays

DATATYPES = {"float32": "FP32", "int32": "INT32", "int64": "INT64"}
DTYPES = {"FP32": "<f4", "INT32": "<i4", "INT64": "<i8"}


def in_json(*inputs: Arrays) -> dict[str, Any]:
    """The request for a batch of *inputs*."""
    batches = {name: np.stack([arrays[name] for arrays in inputs]) for name in inputs[0]}
    tensors = [
        {
            "name": name,
            "shape": list(batch.shape),
            "datatype": DATATYPES[batch.dtype.name],
            "data": batch.tolist(),
        }
        for name, batch in batches.items()
    ]
    return {"inputs": tensors}


def in_bytes(request: dict[str, Any]) -> dict[str, Any]:
    """*request* with its numbers behind the JSON, and so the answer's: content and headers."""
    request = {**deepcopy(request), "parameters": {"binary_data_output": True}}
    parts = []
    for tensor in request["inputs"]:
        parts.append(np.array(tensor.pop("data"), DTYPES[tensor["datatype"]]).tobytes())
        tensor["parameters"] = {"binary_data_size": len(parts[-1])}
    head = json.dumps(request).encode()
    return {
        "content": b"".join([head, *parts]),
        "headers": {"Inference-Header-Content-Length": str(len(head))},
    }
