"""``make pin``: write the digests of the images into the Dockerfiles that start from them.

A tag names another image whenever somebody says so; a digest never does. ``FROM python:3.11-slim``
becomes ``FROM python:3.11-slim@sha256:...``, and what has a digest gets the one that its tag has
now. Knows nothing of this repository, and needs nothing but Python and Docker.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
INSTRUCTION = re.compile(
    r"^(?P<before># *syntax=|FROM +(?:--\S+ +)*|COPY +(?:--\S+ +)*--from=)(?P<image>[^\s@]+)"
    rf"(?:@{DIGEST.pattern})?(?P<after>.*)$",
    re.IGNORECASE | re.MULTILINE,
)
STAGE = re.compile(r"^FROM .* AS +(\S+) *$", re.IGNORECASE | re.MULTILINE)


class PinError(Exception):
    """An image cannot be pinned."""


def main() -> None:
    """Pin all that the Dockerfiles here start from; the exit status is 1 when something cannot."""
    known: dict[str, str] = {}

    def digest_of(image: str) -> str:
        if image not in known:
            known[image] = ask_registry(image)
            sys.stdout.write(f"{image}@{known[image]}\n")
        return known[image]

    try:
        for path in sorted([*Path().glob("Dockerfile"), *Path().glob("*/Dockerfile")]):
            path.write_text(pinned(path.read_text(encoding="utf-8"), digest_of), encoding="utf-8")
    except PinError as error:
        sys.exit(f"error: {error}")


def pinned(dockerfile: str, digest_of: Callable[[str], str]) -> str:
    """The text of *dockerfile* with a digest behind each image that it starts from.

    Args:
        dockerfile: the text of a Dockerfile.
        digest_of: gives the digest of an image that is named with its tag.

    Raises:
        PinError: an image's name follows from a variable.
    """
    stages = {"scratch", *STAGE.findall(dockerfile)}

    def with_digest(found: re.Match[str]) -> str:
        image = found["image"]
        if image in stages or image.isdecimal():  # COPY --from=0 is a stage by its number
            return found[0]
        if "$" in image:
            raise PinError(
                f'"{found[0]}" names an image by a variable, which nobody can pin. Write its name '
                f'and tag, as in "FROM python:3.11-slim".'
            )
        return f"{found['before']}{image}@{digest_of(image)}{found['after']}"

    return INSTRUCTION.sub(with_digest, dockerfile)


def ask_registry(image: str) -> str:
    """The digest that the tag of *image* has now, for all of its platforms together.

    Raises:
        PinError: the registry does not tell.
    """
    inspect = ["docker", "buildx", "imagetools", "inspect", image, "--format", "{{json .Manifest}}"]
    try:
        answer = subprocess.run(inspect, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        raise PinError("there is no docker, which asks registries. Install it.") from None
    except subprocess.CalledProcessError as error:
        raise PinError(f"the registry of {image} does not tell: {error.stderr.strip()}") from None
    digest = str(json.loads(answer)["digest"])
    if not DIGEST.fullmatch(digest):
        raise PinError(f'the digest of {image} is "{digest}"; it must be like "sha256:0123...".')
    return digest


if __name__ == "__main__":
    main()
