"""``python release/provenance.py``: who built the image, of what and where, as SLSA has it.

Prints the predicate of https://slsa.dev/spec/v1.0/provenance. What it says stands in the
environment, where the CI system's configuration puts it; nothing is guessed.
"""

import json
import os
import re
import sys
from collections.abc import Mapping
from typing import Any

REQUIRED = {
    "BUILDER_ID": "address of what built it: the pipeline's definition, or the CI system",
    "BUILD_URL": "address of this run of the pipeline",
    "BUILD_REPOSITORY": "address of the repository",
    "BUILD_COMMIT": "commit that was built, in full",
}
OPTIONAL = {
    "BUILD_REF": "branch or tag, as in refs/heads/main",
    "BUILD_STARTED_ON": "when it began, as in 2026-01-31T12:00:00Z",
}
_URI = re.compile(r"[a-z][a-z0-9+.-]*:\S+")
_SSH = re.compile(r"([^\s/:]+@[^\s/:]+):(?!//)(\S+)")
"""A repository's address as git writes it for SSH: ``git@host:path``."""
_REPOSITORY = re.compile(rf"{_URI.pattern}|{_SSH.pattern}")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


class Refused(Exception):
    """The environment does not say what is needed."""


def predicate(environment: Mapping[str, str]) -> dict[str, Any]:
    """The predicate, of what *environment* says.

    Raises:
        Refused: something is missing, or is not what it should be.
    """
    missing = [f"{name} ({what})" for name, what in REQUIRED.items() if not environment.get(name)]
    if missing:
        raise Refused(f"the environment lacks {', '.join(missing)}. The pipeline has to set it.")
    repository = _checked(environment, "BUILD_REPOSITORY", _REPOSITORY, "an address")
    repository = _SSH.sub(r"ssh://\1/\2", repository).removesuffix(".git")
    commit = _checked(environment, "BUILD_COMMIT", _COMMIT, "40 or 64 hexadecimal digits")
    source = f"git+{repository}"
    external = {"repository": repository}
    if ref := environment.get("BUILD_REF"):
        external["ref"] = ref
        source = f"{source}@{ref}"
    metadata = {"invocationId": _checked(environment, "BUILD_URL", _URI, "an address")}
    if environment.get("BUILD_STARTED_ON"):
        metadata["startedOn"] = _checked(
            environment, "BUILD_STARTED_ON", _TIME, "a time in UTC, as in 2026-01-31T12:00:00Z"
        )
    return {
        "buildDefinition": {
            "buildType": f"{repository}#make-image",
            "externalParameters": external,
            "resolvedDependencies": [{"uri": source, "digest": {"gitCommit": commit}}],
        },
        "runDetails": {
            "builder": {"id": _checked(environment, "BUILDER_ID", _URI, "an address")},
            "metadata": metadata,
        },
    }


def _checked(
    environment: Mapping[str, str], name: str, pattern: re.Pattern[str], accepted: str
) -> str:
    value = environment[name]
    if not pattern.fullmatch(value):
        raise Refused(f"{name} is {value!r}; {accepted} is accepted.")
    return value


if __name__ == "__main__":
    try:
        found = predicate(os.environ)
    except Refused as error:
        sys.exit(f"error: {error}")
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
