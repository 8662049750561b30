"""``POST /predict``: inputs by their Content-Type in, predictions out."""

import io
from dataclasses import dataclass
from email.message import Message
from fnmatch import fnmatchcase

from multipart import MultipartError, MultipartParser, ParserLimitReached
from openapi_pydantic import MediaType, Schema
from pydantic import BaseModel

from service.errors import FieldError, InvalidInput, MalformedBody, UnsupportedMediaType
from service.manifest import ModelVersion
from service.owner import (
    INPUT_FIELD,
    RAW_MEDIA_TYPES,
    Prediction,
    PredictManyRequest,
    PredictRequest,
)
from service.web.openapi import media
from service.web.requests import Context, Reply, Request, read_json, validate

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


@dataclass(frozen=True)
class Inputs:
    """The inputs of one request.

    ``names`` says where in the request each value stands, for errors. ``is_many`` when the caller
    asked for several and expects a list, be it of one.
    """

    values: list[bytes | str]
    names: list[str]
    is_many: bool


class PredictResponse(Prediction):
    """The answer for one input."""

    model: ModelVersion


class PredictManyResponse(BaseModel):
    """The answers for several inputs, in their order."""

    predictions: list[Prediction]
    model: ModelVersion


def predict(context: Context, request: Request) -> Reply:
    """Predict one input or several.

    Raises:
        CallerError: as for ``read_inputs`` and ``Pipeline.predict``.
    """
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
    return Reply(answer.model_dump_json().encode())


def read_inputs(content_type: str, body: bytes, *, max_inputs: int) -> Inputs:
    """The inputs in *body*.

    Raises:
        UnsupportedMediaType: *content_type* is not one that is read.
        MalformedBody: *body* is not what *content_type* says.
        InvalidInput: a field is missing, unknown or wrong, or there are too many inputs.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "application/json":
        return _from_json(body, max_inputs)
    if media_type == "multipart/form-data":
        return _from_form(_boundary(content_type), body, max_inputs)
    if any(fnmatchcase(media_type, accepted) for accepted in RAW_MEDIA_TYPES):
        return Inputs(values=[body], names=["body"], is_many=False)
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
    names = [f"inputs[{i}]" for i in range(len(values))] if is_many else [INPUT_FIELD]
    return Inputs(values=list(values), names=names, is_many=is_many)


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
            fields=[FieldError(name, "unknown field") for name in unknown],
        )
    if not parts:
        raise InvalidInput.of(INPUT_FIELD, "missing")
    _check_count(INPUT_FIELD, len(parts), max_inputs)
    is_many = len(parts) > 1
    names = [f"{INPUT_FIELD}[{i}]" for i in range(len(parts))] if is_many else [INPUT_FIELD]
    return Inputs(values=[raw for _, raw in parts], names=names, is_many=is_many)


def _boundary(content_type: str) -> str:
    header = Message()
    header["content-type"] = content_type
    return str(header.get_param("boundary", ""))


def _check_count(field: str, count: int, max_inputs: int) -> None:
    if count > max_inputs:
        raise InvalidInput.of(field, f"{count} inputs; at most {max_inputs} are accepted")
