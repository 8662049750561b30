"""What the tests of a model server's client ask."""

from service.manifest import Arrays

SECONDS = 20.0


def rows(arrays: Arrays, *numbers: int) -> Arrays:
    """Some rows of a batch."""
    return {name: array[list(numbers)] for name, array in arrays.items()}
