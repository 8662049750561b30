"""Lengths of texts that TensorFlow Serving batches, a signature of the SavedModel each."""

from service.encoding import BUCKETS
from service.owner import Parameters


def signature_lengths(parameters: Parameters) -> list[int]:
    """The lengths to which texts are padded, shortest first."""
    longest = parameters.max_length
    return sorted({*(size for size in BUCKETS if size < longest), longest})


def signature_name(length: int) -> str:
    """The signature for inputs of a length."""
    return f"length_{length}"
