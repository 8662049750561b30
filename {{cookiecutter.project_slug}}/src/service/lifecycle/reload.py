"""Load one artefact and compare its answers with the original's.

``python -m service.lifecycle.reload FOLDER FORMAT`` prints the largest absolute difference, as
JSON, in the last line. Knows of the original network only what ``golden.npz`` holds.
"""

import json
import sys
from pathlib import Path

from service import runtime
from service.errors import OwnerError
from service.manifest import largest_difference, read, read_golden


def compare(folder: Path, format_name: str) -> float:
    """The largest difference over the golden inputs, as one batch and the first one alone."""
    manifest = read(folder)
    predict = runtime.load(folder, manifest, manifest.artefact(format_name), threads=1)
    inputs, outputs = read_golden(folder)
    first_inputs = {name: array[:1] for name, array in inputs.items()}
    first_outputs = {name: array[:1] for name, array in outputs.items()}
    return max(
        largest_difference(outputs, predict(inputs)),
        largest_difference(first_outputs, predict(first_inputs)),
    )


if __name__ == "__main__":
    try:
        difference = compare(Path(sys.argv[1]), sys.argv[2])
    except OwnerError as error:
        sys.exit(str(error))
    sys.stdout.write(f"\n{json.dumps(difference)}\n")
