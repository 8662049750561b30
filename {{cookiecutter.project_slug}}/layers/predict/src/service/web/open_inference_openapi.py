"""The description of the routes of the Open Inference Protocol."""

from openapi_pydantic import (
    Header,
    MediaType,
    Operation,
    Parameter,
    PathItem,
    RequestBody,
    Response,
    Schema,
)
from pydantic import Field

from service.protocols.open_inference import HEADER_LENGTH
from service.protocols.open_inference.messages import (
    InferenceRequest,
    InferenceResponse,
    ModelMetadata,
    ModelReady,
    ServerLive,
    ServerMetadata,
    ServerReady,
)
from service.web.openapi_parts import TIMEOUT, get, json, media, path_parameter, problem, problems
from service.web.problems import Problem


class InferenceProblem(Problem):
    """Why a request was not answered, in the protocol's own member too."""

    error: str = Field(description="The same as `detail`.")


_TAG = "open inference protocol"
_BINARY = MediaType(media_type_schema=Schema(type="string", schema_format="binary"))
_LENGTH = Schema(type="integer", minimum=0)
_LENGTH_MEANING = "Bytes of the body that are JSON, where tensors in bytes follow."
_LENGTH_PARAMETER = Parameter(
    name=HEADER_LENGTH,
    param_in="header",  # type: ignore[call-arg]  # its alias, "in", is a keyword
    description=_LENGTH_MEANING,
    param_schema=_LENGTH,
)
_NAME = path_parameter("name", "The model that is served.")
_VERSION = path_parameter("version", "The version that is served.")
_NOT_FOUND = problem("Another model is served, or another version.", model=InferenceProblem)
_STUCK = problem("A restart is needed.", model=InferenceProblem)
_NOT_READY = problem("Not yet, or no longer.", retry_after=True, model=InferenceProblem)


def _infer(name: str, parameters: list[Parameter]) -> PathItem:
    answer = Response(
        description="The outputs, in JSON or, where asked for, in bytes behind it.",
        content={"application/json": media(InferenceResponse), "application/octet-stream": _BINARY},
        headers={HEADER_LENGTH: Header(description=_LENGTH_MEANING, param_schema=_LENGTH)},
    )
    return PathItem(
        post=Operation(
            operationId=name,
            summary="Run the model on tensors",
            tags=[_TAG],
            parameters=[*parameters, _LENGTH_PARAMETER, TIMEOUT],
            requestBody=RequestBody(
                required=True,
                content={
                    "application/json": media(InferenceRequest),
                    "application/octet-stream": _BINARY,
                },
            ),
            responses={"200": answer, "404": _NOT_FOUND, **problems(InferenceProblem)},
        )
    )


def _paths(path: str, name: str, *parameters: Parameter) -> dict[str, PathItem]:
    """The routes of a model, or of a version of it."""
    return {
        path: get(
            name,
            "What the model takes and gives",
            _TAG,
            parameters,
            s200=json("Its inputs and outputs.", ModelMetadata),
            s404=_NOT_FOUND,
        ),
        f"{path}/ready": get(
            f"{name}_ready",
            "Is the model ready?",
            _TAG,
            parameters,
            s200=json("Yes.", ModelReady),
            s404=_NOT_FOUND,
            s503=_NOT_READY,
        ),
        f"{path}/infer": _infer(f"{name}_infer", list(parameters)),
    }


OPEN_INFERENCE_PATHS: dict[str, PathItem] = {
    "/v2": get("server", "What this server is", _TAG, s200=json("Its name.", ServerMetadata)),
    "/v2/health/live": get(
        "server_live", "As `/livez`", _TAG, s200=json("Yes.", ServerLive), s503=_STUCK
    ),
    "/v2/health/ready": get(
        "server_ready", "As `/readyz`", _TAG, s200=json("Yes.", ServerReady), s503=_NOT_READY
    ),
    **_paths("/v2/models/{name}", "model", _NAME),
    **_paths("/v2/models/{name}/versions/{version}", "version", _NAME, _VERSION),
}
