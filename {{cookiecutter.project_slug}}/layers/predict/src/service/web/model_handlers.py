"""Handlers of the routes that call the model, for every web framework."""

from pydantic import BaseModel

from service.answers import PredictManyResponse, PredictResponse
from service.inputs import read_inputs
from service.web.handlers import Context, Reply, timeout_seconds


def predict(context: Context, content_type: str, body: bytes, timeout: str | None) -> Reply:
    """Predict the inputs in *body*.

    Args:
        context: pipeline and limits.
        content_type: of the request; may be empty.
        body: of the request.
        timeout: the header X-Request-Timeout, in seconds, where the caller sent it.

    Raises:
        CallerError: as for ``read_inputs`` and ``Pipeline.predict``.
    """
    inputs = read_inputs(content_type, body, max_inputs=context.settings.max_inputs)
    seconds = timeout_seconds(timeout, context.settings.request_timeout_seconds)
    predictions = context.pipeline.predict(inputs, timeout_seconds=seconds)
    model = context.pipeline.model_version
    answer: BaseModel
    if inputs.is_many:
        answer = PredictManyResponse(predictions=predictions, model=model)
    else:
        answer = PredictResponse(**dict(predictions[0]), model=model)
    return Reply(answer.model_dump_json().encode())
