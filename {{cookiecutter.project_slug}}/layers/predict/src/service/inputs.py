"""A request's body -> the values in it, by its Content-Type.

One reader for every web framework, so that all answer alike. Knows nothing of routes, and leaves
what a value means to the task.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message

from multipart import MultipartError, MultipartParser, ParserLimitReached

from service.errors import BadValue, FieldError, InvalidInput, MalformedBody, UnsupportedMediaType
from service.json_bodies import read_json, validate
from service.owner import (
    INPUT_FIELD,
    RAW_MEDIA_TYPES,
    PredictManyRequest,
    PredictRequest,
    Prepared,
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

    def prepared(self, preprocess: Callable[[bytes | str], Prepared]) -> list[Prepared]:
        """Each value as *preprocess* makes it.

        Raises:
            InvalidInput: *preprocess* raises ``BadValue`` for one or more; names each.
        """
        prepared, wrong = [], []
        for name, value in zip(self.names, self.values, strict=True):
            try:
                prepared.append(preprocess(value))
            except BadValue as error:
                wrong.append(FieldError(name, str(error)))
        if wrong:
            raise InvalidInput(f"{wrong[0].field}: {wrong[0].detail}", fields=wrong)
        return prepared


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
    if media_type in RAW_MEDIA_TYPES:
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
