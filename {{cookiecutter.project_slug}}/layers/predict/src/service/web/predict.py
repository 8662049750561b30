"""``POST /predict``: inputs by their Content-Type in, predictions out."""

import base64
import io
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from multipart import MultipartError, MultipartParser, ParserLimitReached, parse_options_header
from openapi_pydantic import MediaType, Schema
from pydantic import BaseModel

from service.errors import InvalidInput, MalformedBody, ProblemField, UnsupportedMediaType
from service.manifest import ModelVersion
from service.owner import (
    INPUT_FIELD,
    RAW_MEDIA_TYPES,
    Prediction,
    PredictManyRequest,
    PredictRequest,
)
from service.pipeline import Pipeline
from service.smoke import Example
from service.web.openapi import media
from service.web.requests import Context, Reply, Request, read_json, validate
from service.web.tensors import datatype

ACCEPTED = ("application/json", "multipart/form-data", *RAW_MEDIA_TYPES)

_BINARY = Schema(type="string", schema_format="binary")
BODY = {
    "application/json": media(PredictRequest, PredictManyRequest),
    "multipart/form-data": MediaType(
        media_type_schema=Schema(
            type="object",
            properties={INPUT_FIELD: Schema(type="array", items=_BINARY, minItems=1)},
            required=[INPUT_FIELD],
            additionalProperties=False,
        )
    ),
    **{kind: MediaType(media_type_schema=_BINARY) for kind in RAW_MEDIA_TYPES},
}
"""What is accepted, by Content-Type."""
_MOST_NUMBERS = 20_000  # of tensors in the description


@dataclass(frozen=True)
class Inputs:
    """The inputs of one request, which stand in its *field*.

    ``is_many`` when the caller asked for several and expects a list, be it of one.
    """

    field: str
    values: list[bytes | str]
    is_many: bool = False

    @property
    def names(self) -> list[str]:
        """Where in the request each value stands, for errors."""
        if not self.is_many:
            return [self.field]
        return [f"{self.field}[{i}]" for i in range(len(self.values))]


class PredictResponse(Prediction):
    """The answer for one input."""

    model: ModelVersion


class PredictManyResponse(BaseModel):
    """The answers for several inputs, in their order."""

    predictions: list[Prediction]
    model: ModelVersion


def predict(context: Context, request: Request) -> Reply:
    """Predict one input or several."""
    settings, pipeline = context.settings, context.pipeline
    inputs = read_inputs(request.content_type, request.body, max_inputs=settings.max_inputs)
    seconds = request.timeout_seconds(settings.request_timeout_seconds)
    predictions = pipeline.predict(inputs.values, inputs.names, timeout_seconds=seconds)
    model = pipeline.model_version
    answer: BaseModel
    if inputs.is_many:
        answer = PredictManyResponse(predictions=predictions, model=model)
    else:
        answer = PredictResponse(**dict(predictions[0]), model=model)
    return Reply.of(answer)


def read_inputs(content_type: str, body: bytes, *, max_inputs: int) -> Inputs:
    """The inputs in *body*.

    Raises:
        UnsupportedMediaType: *content_type* is not one that is read.
        MalformedBody: *body* is not what *content_type* says.
        InvalidInput: a field is missing, unknown or wrong, or there are too many inputs.
    """
    media_type, options = parse_options_header(content_type)
    if media_type == "application/json":
        return _from_json(body, max_inputs)
    if media_type == "multipart/form-data":
        return _from_form(options.get("boundary", ""), body, max_inputs)
    if any(fnmatchcase(media_type, accepted) for accepted in RAW_MEDIA_TYPES):
        return Inputs("body", [body])
    found = content_type or "missing"
    raise UnsupportedMediaType(f"Content-Type is {found}; accepted: {', '.join(ACCEPTED)}.")


def _from_json(body: bytes, max_inputs: int) -> Inputs:
    value = read_json(body)
    if not isinstance(value, dict):
        raise InvalidInput.of("body", f'a JSON object with "{INPUT_FIELD}" or "inputs" is accepted')
    is_many = "inputs" in value
    if is_many and isinstance(value["inputs"], list):  # before each of a million is looked at
        _check_count("inputs", len(value["inputs"]), max_inputs)
    model: type[PredictManyRequest | PredictRequest]
    model = PredictManyRequest if is_many else PredictRequest
    values = validate(model, value).values()
    return Inputs("inputs" if is_many else INPUT_FIELD, list(values), is_many)


def _from_form(boundary: str, body: bytes, max_inputs: int) -> Inputs:
    if not boundary:
        raise MalformedBody("Content-Type is multipart/form-data without a boundary.")
    most = len(body) + 1  # all in memory; Latin-1 reads file names of any encoding
    parser = MultipartParser(
        io.BytesIO(body), boundary, len(body), "latin-1", spool_limit=most, memory_limit=most
    )
    try:
        parts = [
            (part.name.encode("latin-1", "replace").decode(errors="replace"), part.raw)
            for part in parser
        ]
    except ParserLimitReached as error:
        raise InvalidInput.of("body", f"the form is too large: {error}") from None
    except MultipartError as error:
        raise MalformedBody(f"The body is not a multipart form: {error}.") from None
    unknown = sorted({name for name, _ in parts} - {INPUT_FIELD})
    if unknown:
        raise InvalidInput(
            f'{unknown[0]}: unknown field; accepted: "{INPUT_FIELD}"',
            fields=[ProblemField(field=name, detail="unknown field") for name in unknown],
        )
    if not parts:
        raise InvalidInput.of(INPUT_FIELD, "missing")
    _check_count(INPUT_FIELD, len(parts), max_inputs)
    return Inputs(INPUT_FIELD, [raw for _, raw in parts], is_many=len(parts) > 1)


def _check_count(field: str, count: int, max_inputs: int) -> None:
    if count > max_inputs:
        raise InvalidInput.of(field, f"{count} inputs; at most {max_inputs} are accepted")


def bodies(pipeline: Pipeline, examples: list[Example]) -> dict[str, dict[str, Any]]:
    """Bodies of *examples*, by path and Content-Type; ``ValueError`` where the task reads none."""
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
