"""Lengths of inputs that TensorFlow Serving batches apart, a signature of the SavedModel each."""

from service.owner import Parameters


def signature_lengths(parameters: Parameters) -> list[int]:
    """The lengths to which inputs are padded, shortest first; none where all have one shape."""
    lengths: list[int] = getattr(parameters, "lengths", [])
    return lengths


def signature_name(length: int) -> str:
    """The signature for inputs of a length."""
    return f"length_{length}"
