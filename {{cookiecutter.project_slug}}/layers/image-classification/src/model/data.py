"""Your labels, your images: the labelled examples that the model is trained on and judged by.

With ``--data DIR``, DIR has one folder per label, with that label's images in it::

    flowers/daisy/1.jpg  flowers/daisy/2.jpg  flowers/rose/1.jpg  ...

Without, the starter's: the handwritten digits of scikit-learn. Either way an image
becomes an input by ``model.preprocess.to_array``, as in the service. Knows nothing of networks.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from model.preprocess import Parameters, read_image, to_array
from service import manifest as manifests
from service.errors import BadValue, OwnerError
from service.lifecycle.source import Source
from service.manifest import Arrays
from service.settings import MAX_PIXELS
from service.training import Dataset, Examples, Recipe

PARAMETERS = Parameters(height=64, width=64, channels=3, mean=0.5, scale=0.5)
"""What your images become; the model knows them in this size only."""

DIGIT_PARAMETERS = Parameters(height=8, width=8, channels=1, mean=0.5, scale=0.5)

IS_STARTER = True  # pipelines publish no starter: say False once these examples are yours

THRESHOLD = 0.95
"""A candidate whose accuracy is lower is not exported."""

HELD_OUT_SHARE = 0.25
SPLIT_SEED = 0
"""Fixed, whatever the training's seed, so that candidates are judged by the same examples."""

FEWEST_IMAGES = 8
"""A label with fewer images is refused: too few to learn from and to be judged by."""

OTHER_SPLITS = {"dev", "eval", "held-out", "test", "testing", "val", "valid", "validation"}
"""Folders beside ``train`` that are no labels, in lower case."""

LARGEST_SHIFT = 0.125
"""Share of height and width by which the images of a training's batch are moved."""

FROM_SCRATCH = Recipe(epochs=20, batch_size=32, peak_learning_rate=4e-3, warm_up_share=0.25)
FINE_TUNING = Recipe(epochs=5, batch_size=16, peak_learning_rate=1e-4, warm_up_share=0.1)


def load(source: Source, version: Path | None = None) -> Dataset:
    """The examples in the source's folder, or the starter's.

    Args:
        source: what a training starts from.
        version: the folder of a model version, to have the examples as that model reads them;
            ``None`` to have them as a new one would.

    Raises:
        OwnerError: the folder is not laid out as it should be, or an image cannot be read.
    """
    if version is not None:
        parameters = Parameters.model_validate(manifests.read(version).parameters)
    else:
        own = DIGIT_PARAMETERS if source.data is None else PARAMETERS
        parameters = source.parameters(own)
    return _digits(parameters) if source.data is None else _folder(source.data, parameters)


def digit_images() -> tuple[list[Image.Image], list[int]]:
    """The starter's images, 8 by 8 in shades of grey, ink bright, and the digits they show."""
    bunch = load_digits()
    shades = np.rint(bunch.images * (255 / 16)).astype(np.uint8)  # 0 to 16 in the source
    return [Image.fromarray(image) for image in shades], bunch.target.tolist()


def _digits(parameters: Parameters) -> Dataset:
    images, targets = digit_images()
    arrays = [to_array(image, parameters) for image in images]
    train, held_out = _split(arrays, targets)
    return Dataset(
        labels=[str(digit) for digit in range(10)],
        parameters=parameters,
        train=train,
        held_out=held_out,
        description=(
            f"{len(images):,} handwritten digits: scikit-learn's copy of the test half of the "
            "UCI *Optical Recognition of Handwritten Digits* data set (E. Alpaydin and C. Kaynak, "
            "1998), 8 by 8 pixels in 17 shades of grey. Split at random, stratified by digit; the "
            "source does not say who wrote which digit, so the same writers may be in both "
            "halves."
        ),
        limits=[
            "New writers: expect lower metrics than those above.",
            "Dark ink on light paper, unless inverted first: the model knows bright ink on black.",
            "Photographs, several digits in one image, or a digit that does not fill the image.",
            "Images that show no digit: the model names one all the same, some with a high score.",
        ],
        threshold=THRESHOLD,
    )


def _folder(data: Path, parameters: Parameters) -> Dataset:
    paths = _paths_by_label(data)
    arrays = [_array(path, parameters) for listed in paths.values() for path in listed]
    targets = [index for index, listed in enumerate(paths.values()) for _ in listed]
    train, held_out = _split(arrays, targets)
    counts = ", ".join(f"{label} {len(listed)}" for label, listed in paths.items())
    return Dataset(
        labels=list(paths),
        parameters=parameters,
        train=train,
        held_out=held_out,
        description=(
            f'{len(arrays):,} images from the folder "{data.resolve().name}": {counts}. Split at '
            "random, stratified by label. Images that belong together (one person, one scene, one "
            "machine) may be in both halves."
        ),
        limits=[
            "Images of another kind than these: other cameras, light, places or times.",
            "Images that show none of the labels: the model names one all the same.",
            f"Details that vanish in {parameters.width} by {parameters.height} pixels.",
        ],
        threshold=THRESHOLD,
    )


def _paths_by_label(data: Path) -> dict[str, list[Path]]:
    if not data.is_dir():
        raise OwnerError(f'--data is "{data}", which is not a folder.')
    labels = [path for path in sorted(data.iterdir()) if path.is_dir() and path.name[0] != "."]
    if len(labels) < 2:  # noqa: PLR2004 - one label is no choice
        raise OwnerError(
            f'--data is "{data}", which has {len(labels)} folders with images; at least 2 are '
            f"needed, one per label, named as the label."
        )
    names = {label.name.lower() for label in labels}
    if names & {"train", "training"} and names & OTHER_SPLITS:
        folders = ", ".join(label.name for label in labels)
        raise OwnerError(
            f'--data is "{data}", whose folders are {folders}: parts of a data set, not labels. '
            f"Give a folder with one folder per label; a quarter of the images is held out of it."
        )
    paths = {
        label.name: [path for path in sorted(label.iterdir()) if path.name[0] != "."]
        for label in labels
    }
    for name, listed in paths.items():
        if len(listed) < FEWEST_IMAGES:
            raise OwnerError(
                f'"{data / name}" has {len(listed)} images; at least {FEWEST_IMAGES} per label '
                f"are needed. Add some, or remove the folder."
            )
    return paths


def _array(path: Path, parameters: Parameters) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    if not path.is_file():
        raise OwnerError(f'"{path}" is not a file. A label\'s folder holds images only.')
    try:
        image = read_image(path.read_bytes(), parameters, max_pixels=MAX_PIXELS)
    except BadValue as error:
        raise OwnerError(f'"{path}": {error}. Replace or remove it.') from None
    return to_array(image, parameters)


def _split(
    arrays: list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]], targets: list[int]
) -> tuple[Examples, Examples]:
    indices = np.arange(len(arrays))
    halves = train_test_split(
        indices, test_size=HELD_OUT_SHARE, stratify=targets, random_state=SPLIT_SEED
    )
    inputs, answers = np.stack(arrays), np.asarray(targets, dtype=np.int64)
    train, held_out = (Examples({"image": inputs[half]}, answers[half]) for half in halves)
    return train, held_out


def recipe(source: Source) -> Recipe:
    """How the network is trained on what *source* starts from."""
    return FROM_SCRATCH if source.base_model is None else FINE_TUNING


def make_batch(
    examples: Examples, chosen: npt.NDArray[np.intp], random: np.random.Generator
) -> tuple[Arrays, npt.NDArray[Any]]:
    """One batch of a training, all moved by the same random step.

    What comes in from outside repeats the edge.

    Args:
        examples: those to learn from.
        chosen: indices of the batch's.
        random: the only source of chance, so that a seed decides.

    Returns:
        ``{"image": (N, H, W, C) float32}`` and ``(N,) int64`` indices of labels.
    """
    images = examples.inputs["image"][chosen]
    height, width = images.shape[1:3]
    most_y, most_x = int(height * LARGEST_SHIFT), int(width * LARGEST_SHIFT)
    padded = np.pad(images, ((0, 0), (most_y, most_y), (most_x, most_x), (0, 0)), mode="edge")
    y, x = random.integers(0, 2 * most_y + 1), random.integers(0, 2 * most_x + 1)
    return {"image": padded[:, y : y + height, x : x + width]}, examples.targets[chosen]
