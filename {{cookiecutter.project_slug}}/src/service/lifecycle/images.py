"""Folders out of images, by the ``docker`` command. Knows nothing of models."""

import re
import subprocess
from pathlib import Path

from service.errors import OwnerError

_NOT_THERE = re.compile(
    r"manifest unknown|name unknown|manifest for .* not found|no such manifest"
    r"|failed to resolve reference .*: not found|repository .* not found",
    re.IGNORECASE,
)
"""How engines say that a registry has answered, and has no such image."""


def is_there(image: str) -> bool:
    """Whether the image exists; it is on this machine then.

    A name without a registry, such as ``me:1``, may be an image of this machine's; all others are
    asked for in their registry, which may have a newer one.

    Raises:
        OwnerError: the engine or the registry does not answer, or refuses.
    """
    if _is_of_this_machine(image) and _docker("image", "inspect", image).returncode == 0:
        return True
    pulled = _docker("pull", "--quiet", image)
    if pulled.returncode == 0:
        return True
    if _NOT_THERE.search(pulled.stderr):
        return False
    raise OwnerError(
        f'The registry does not say whether "{image}" exists: {_last_line(pulled.stderr)}. Log in '
        f'with "docker login", or try again when the registry answers.'
    )


def copy(image: str, path: str, folder: Path) -> None:
    """Copy the content of the folder *path* in *image* into *folder*, which may have more.

    Raises:
        OwnerError: the image is not on this machine, or has no such folder.
    """
    created = _checked("create", image, "none")
    container = created.strip()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _checked("cp", f"{container}:{path}/.", str(folder))
    finally:
        _docker("rm", "--force", "--volumes", container)


def _is_of_this_machine(image: str) -> bool:
    host, slash, _ = image.partition("/")
    return not slash or not (host == "localhost" or re.search("[.:]", host))


def _checked(*words: str) -> str:
    done = _docker(*words)
    if done.returncode != 0:
        raise OwnerError(f'"docker {" ".join(words)}" failed: {_last_line(done.stderr)}')
    return done.stdout


def _docker(*words: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(  # noqa: S603 - no shell
            ["docker", *words],  # noqa: S607 - the one that PATH says
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise OwnerError(
            "Models are read out of images by Docker, which is not installed. Install it, or give "
            "the model's folder."
        ) from None


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]
