"""What the Open Inference Protocol (V2) sends and answers, typed.

https://github.com/kserve/open-inference-protocol
"""

from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, FailFast, Field

Int64: TypeAlias = Annotated[int, Field(ge=-(2**63), lt=2**63)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())


class _Parameters(BaseModel):
    """A caller may send others than those named; they mean nothing here."""

    model_config = ConfigDict(strict=True)


class InputParameters(_Parameters):
    """Parameters of one input tensor."""

    binary_data_size: Int64 | None = Field(
        default=None, ge=0, description="Bytes of the tensor behind the JSON, instead of `data`."
    )


class InputTensor(_Request):
    """One input of the model, for the whole batch."""

    name: str
    shape: Annotated[list[Int64], FailFast()] = Field(description="The first axis is the batch.")
    datatype: str
    parameters: InputParameters = InputParameters()
    data: list[Any] | None = Field(
        default=None, description="Numbers in row-major order, flat or nested as `shape` says."
    )


class OutputParameters(_Parameters):
    """Parameters of one requested output."""

    binary_data: bool | None = None


class RequestedOutput(_Request):
    """One output of the model that the caller wants."""

    name: str
    parameters: OutputParameters = OutputParameters()


class RequestParameters(_Parameters):
    """Parameters of a request."""

    binary_data_output: bool = Field(
        default=False, description="All outputs behind the JSON, but for those that say otherwise."
    )


class InferenceRequest(_Request):
    """Input tensors, and which outputs to answer with."""

    id: str | None = None
    model_name: str | None = Field(
        default=None, description="As some clients send it; the path is what counts."
    )
    parameters: RequestParameters = RequestParameters()
    inputs: Annotated[list[InputTensor], FailFast()]
    outputs: Annotated[list[RequestedOutput], FailFast()] = Field(
        default=[], description="All of the model's when empty."
    )


class BinaryDataSize(BaseModel):
    """Where the numbers of an output are: behind the JSON."""

    binary_data_size: int


class OutputTensor(BaseModel):
    """One output of the model, for the whole batch."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    parameters: BinaryDataSize | None = None
    data: list[float] | list[int] | None = Field(
        default=None, description="Numbers in row-major order."
    )


class InferenceResponse(BaseModel):
    """The outputs, in the order in which they were requested."""

    model_config = ConfigDict(protected_namespaces=())

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


class ServerMetadata(BaseModel):
    """What the server is, and which extensions of the protocol it has."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(BaseModel):
    """One input or output of the model; -1 is an axis of any length."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """What the model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerLive(BaseModel):
    """The server answers."""

    live: bool


class ServerReady(BaseModel):
    """The server's model is ready."""

    ready: bool


class ModelReady(BaseModel):
    """One model is ready."""

    name: str
    ready: bool
