"""Lengths of prompts that TensorFlow Serving batches, a signature of the SavedModel each."""

from service.owner import Parameters

SHORTEST = 16
MOST_END_TOKENS = 8
"""A request says with which tokens a text ends, in an array of this length."""


def signature_lengths(parameters: Parameters) -> list[int]:
    """The lengths to which prompts are padded, shortest first; each four times the one before."""
    lengths = [SHORTEST]
    while lengths[-1] < parameters.context_length:
        lengths.append(min(4 * lengths[-1], parameters.context_length))
    return lengths


def signature_name(length: int) -> str:
    """The signature for prompts of a length."""
    return f"generate_{length}"
