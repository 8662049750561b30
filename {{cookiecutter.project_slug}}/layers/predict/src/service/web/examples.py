"""Requests of ``examples/`` as this model reads them, for the description of the routes."""

import base64
from typing import Any

from service.owner import INPUT_FIELD, RAW_MEDIA_TYPES
from service.pipeline import Pipeline
from service.smoke import Example
from service.web.tensors import datatype

_MOST_NUMBERS = 20_000  # of tensors in the description


def bodies(pipeline: Pipeline, examples: list[Example]) -> dict[str, dict[str, Any]]:
    """An example of a body, by path and Content-Type; ``ValueError`` where the task reads none."""
    content = examples[0].path.read_bytes()
    is_text = "text/plain" in RAW_MEDIA_TYPES
    value = content.decode() if is_text else base64.b64encode(content).decode()
    predict: dict[str, Any] = {"application/json": {INPUT_FIELD: value}}
    if is_text:
        predict["text/plain"] = value
    arrays = pipeline.task.preprocess(value).arrays
    if sum(array.size for array in arrays.values()) > _MOST_NUMBERS:
        return {"/predict": predict}
    inputs = [
        {
            "name": tensor.name,
            "shape": [1, *arrays[tensor.name].shape],
            "datatype": datatype(tensor),
            "data": arrays[tensor.name].ravel().tolist(),
        }
        for tensor in pipeline.manifest.signature.inputs
    ]
    models = ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")
    infer = {"application/json": {"inputs": inputs}}
    return {"/predict": predict, **{f"{model}/infer": infer for model in models}}
