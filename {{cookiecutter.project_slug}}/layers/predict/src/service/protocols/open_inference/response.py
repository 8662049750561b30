"""The model's outputs -> a body."""

from collections.abc import Sequence

import numpy as np

from service.errors import InvalidInput
from service.manifest import Arrays, ModelVersion
from service.protocols.open_inference.messages import (
    BinaryDataSize,
    InferenceResponse,
    OutputTensor,
)
from service.protocols.open_inference.request import Inference
from service.protocols.open_inference.tensors import datatype, to_bytes


def write_response(
    inference: Inference, model: ModelVersion, outputs: Sequence[Arrays]
) -> tuple[bytes, int | None]:
    """The body that answers *inference*.

    Args:
        inference: the request.
        model: which answered.
        outputs: the model's, for each of the request's inputs, without a batch axis.

    Returns:
        The body, and how many bytes of it are JSON where tensors in bytes follow.

    Raises:
        InvalidInput: an output is wanted in JSON, and holds what JSON cannot.
    """
    described = []
    parts = []
    for wanted in inference.outputs:
        name = wanted.tensor.name
        array = np.stack([each[name] for each in outputs])
        output = OutputTensor(name=name, datatype=datatype(wanted.tensor), shape=array.shape)
        if wanted.is_binary:
            parts.append(to_bytes(array, wanted.tensor))
            output.parameters = BinaryDataSize(binary_data_size=len(parts[-1]))
        elif np.isfinite(array).all():
            output.data = array.ravel().tolist()
        else:
            raise InvalidInput.of(
                "outputs", f"{name} holds NaN or infinity, which JSON cannot; request it in bytes"
            )
        described.append(output)
    response = InferenceResponse(
        id=inference.id,
        model_name=model.name,
        model_version=str(model.version),
        outputs=described,
    )
    head = response.model_dump_json(exclude_none=True).encode()
    return b"".join([head, *parts]), len(head) if parts else None
