"""What the server and the model are, as the protocol describes them."""

from service.about import BACKEND, PROJECT
from service.manifest import Manifest, Tensor
from service.protocols.open_inference.messages import ModelMetadata, ServerMetadata, TensorMetadata
from service.protocols.open_inference.tensors import datatype, open_shape


def server_metadata() -> ServerMetadata:
    """What this server is."""
    return ServerMetadata(
        name=PROJECT["name"], version=PROJECT["version"], extensions=["binary_tensor_data"]
    )


def model_metadata(manifest: Manifest, format_name: str) -> ModelMetadata:
    """What the model takes and gives.

    Args:
        manifest: the model's.
        format_name: the artefact that is served.
    """
    return ModelMetadata(
        name=manifest.name,
        versions=[str(manifest.version)],
        platform=f"{BACKEND}_{format_name}",
        inputs=[_tensor(each) for each in manifest.signature.inputs],
        outputs=[_tensor(each) for each in manifest.signature.outputs],
    )


def _tensor(tensor: Tensor) -> TensorMetadata:
    return TensorMetadata(name=tensor.name, datatype=datatype(tensor), shape=open_shape(tensor))
