"""The description of the routes that call the model."""

from openapi_pydantic import MediaType, Operation, PathItem, RequestBody, Schema

from service.answers import PredictManyResponse, PredictResponse
from service.owner import INPUT_FIELD, RAW_MEDIA_TYPES, PredictManyRequest, PredictRequest
from service.web.open_inference_openapi import OPEN_INFERENCE_PATHS
from service.web.openapi_parts import TIMEOUT, json, media, problems


def _predict() -> PathItem:
    binary = Schema(type="string", schema_format="binary")
    form = Schema(
        type="object",
        properties={INPUT_FIELD: Schema(type="array", items=binary, minItems=1)},
        required=[INPUT_FIELD],
        additionalProperties=False,
    )
    return PathItem(
        post=Operation(
            operationId="predict",
            summary="Predict one input or several",
            tags=["model"],
            parameters=[TIMEOUT],
            requestBody=RequestBody(
                required=True,
                content={
                    "application/json": media(PredictRequest, PredictManyRequest),
                    "multipart/form-data": MediaType(media_type_schema=form),
                    **{kind: MediaType(media_type_schema=binary) for kind in RAW_MEDIA_TYPES},
                },
            ),
            responses={
                "200": json("The answer or answers.", PredictResponse, PredictManyResponse),
                **problems(),
            },
        )
    )


MODEL_PATHS: dict[str, PathItem] = {"/predict": _predict(), **OPEN_INFERENCE_PATHS}
