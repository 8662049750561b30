"""Lengths of inputs that TensorFlow Serving batches apart: images have one shape, and no length."""

from service.owner import Parameters


def signature_lengths(_parameters: Parameters) -> list[int]:
    """None: all inputs share the signature ``serving_default``."""
    return []


def signature_name(length: int) -> str:
    """The signature for inputs of a length."""
    return f"length_{length}"
