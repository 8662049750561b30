"""A request's body -> the values in it, by its Content-Type.

One reader for every web framework, so that all answer alike. Knows nothing of routes, and leaves
what a value means to the task.
"""

import io
from dataclasses import dataclass
from email.message import Message

from multipart import MultipartError, MultipartParser, ParserLimitReached
from pydantic import ValidationError
from pydantic_core import from_json

from service.errors import FieldError, InvalidInput, MalformedBody, UnsupportedMediaType
from service.schemas import (
    INPUT_FIELD,
    RAW_MEDIA_TYPES,
    PredictManyRequest,
    PredictRequest,
)

ACCEPTED = ("application/json", "multipart/form-data", *RAW_MEDIA_TYPES)


@dataclass(frozen=True)
class Inputs:
    """The inputs of one request.

    ``names`` says where in the request each value stands, for errors. ``is_many`` when the caller
    asked for several and expects a list, be it of one.
    """

    values: list[bytes | str]
    names: list[str]
    is_many: bool


def read_inputs(content_type: str, body: bytes, *, max_inputs: int) -> Inputs:
    """The inputs in *body*.

    Raises:
        UnsupportedMediaType: *content_type* is not one that is read.
        MalformedBody: *body* is not what *content_type* says.
        InvalidInput: a field is missing, unknown or wrong, or there are too many inputs.
    """
    header = Message()
    header["content-type"] = content_type or "none/none"
    media_type = header.get_content_type()
    if media_type == "application/json":
        inputs = _from_json(body)
    elif media_type == "multipart/form-data":
        inputs = _from_form(str(header.get_param("boundary", "")), body)
    elif media_type in RAW_MEDIA_TYPES:
        inputs = Inputs(values=[body], names=["body"], is_many=False)
    else:
        found = content_type or "missing"
        raise UnsupportedMediaType(f"Content-Type is {found}; accepted: {', '.join(ACCEPTED)}.")
    if len(inputs.values) > max_inputs:
        field = "inputs" if inputs.names[0].startswith("inputs") else INPUT_FIELD
        raise InvalidInput.of(
            field, f"{len(inputs.values)} inputs; at most {max_inputs} are accepted"
        )
    return inputs


def _from_json(body: bytes) -> Inputs:
    try:
        value = from_json(body)
    except ValueError as error:
        raise MalformedBody(f"The body is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise InvalidInput.of("body", f'a JSON object with "{INPUT_FIELD}" or "inputs" is accepted')
    is_many = "inputs" in value
    model = PredictManyRequest if is_many else PredictRequest
    try:
        request = model.model_validate(value)
    except ValidationError as error:
        raise _invalid(error) from None
    values = request.values()
    names = [f"inputs[{i}]" for i in range(len(values))] if is_many else [INPUT_FIELD]
    return Inputs(values=list(values), names=names, is_many=is_many)


def _from_form(boundary: str, body: bytes) -> Inputs:
    if not boundary:
        raise MalformedBody("Content-Type is multipart/form-data without a boundary.")
    in_memory = len(body) + 1
    parser = MultipartParser(
        io.BytesIO(body), boundary, len(body), spool_limit=in_memory, memory_limit=in_memory
    )
    try:
        parts = [(part.name, part.raw) for part in parser]
    except ParserLimitReached as error:
        raise InvalidInput.of("body", f"the form is too large: {error}") from None
    except (MultipartError, UnicodeError) as error:
        raise MalformedBody(f"The body is not a multipart form: {error}.") from None
    unknown = sorted({name for name, _ in parts} - {INPUT_FIELD})
    if unknown:
        raise InvalidInput(
            f'{unknown[0]}: unknown field; accepted: "{INPUT_FIELD}"',
            fields=[FieldError(name, "unknown field") for name in unknown],
        )
    if not parts:
        raise InvalidInput.of(INPUT_FIELD, "missing")
    is_many = len(parts) > 1
    names = [f"{INPUT_FIELD}[{i}]" for i in range(len(parts))] if is_many else [INPUT_FIELD]
    return Inputs(values=[raw for _, raw in parts], names=names, is_many=is_many)


def _invalid(error: ValidationError) -> InvalidInput:
    fields = []
    for each in error.errors(include_url=False, include_input=False):
        name = ""
        for part in each["loc"]:
            name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else str(part)
        fields.append(FieldError(name, each["msg"].lower()))
    return InvalidInput(f"{fields[0].field}: {fields[0].detail}", fields=fields)
