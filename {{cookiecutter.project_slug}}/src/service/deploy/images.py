"""The images of a release: one that is named, and those that belong to it."""

from collections.abc import Iterable, Iterator
from typing import Any

from service.deploy.commands import DeployError


def with_image(names: Iterable[str], image: str) -> list[dict[str, str]]:
    """What kustomize is told, so that *names* in manifests become *image* and those beside it.

    ``service`` becomes *image* itself, any other ``name`` becomes ``<image>-<name>``, as
    ``make image`` tags them.

    Raises:
        DeployError: *image* has no tag, or a digest where others belong to it.
    """
    wanted = sorted(set(names))
    if "@" in image and len(wanted) > 1:
        raise DeployError(
            f'IMAGE is "{image}", which has a digest, but {len(wanted)} images belong together. '
            "Name them by their tag."
        )
    return [
        {"name": name, **_split(image if name == "service" else f"{image}-{name}")}
        for name in wanted
    ]


def first_image(objects: Any) -> str:
    """The first image that a container of *objects* has, or "an unknown image"."""
    return next(_images(objects), "an unknown image")


def _images(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        if isinstance(found.get("image"), str):
            yield found["image"]
        found = list(found.values())
    if isinstance(found, list):
        for each in found:
            yield from _images(each)


def _split(image: str) -> dict[str, str]:
    name, _, digest = image.partition("@")
    if digest:
        return {"newName": name, "digest": digest}
    folder, slash, last = name.rpartition("/")
    last, colon, tag = last.partition(":")
    if not colon:
        raise DeployError(
            f'IMAGE is "{image}", which has no tag, so that a cluster could not tell one version '
            "from the next. It must be like registry.example/me/name:1.0."
        )
    return {"newName": f"{folder}{slash}{last}", "newTag": tag}
