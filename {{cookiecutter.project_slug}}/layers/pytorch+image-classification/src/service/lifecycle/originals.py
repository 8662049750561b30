"""Trained models that PyTorch runs, read and made ready for an export."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from service.artefacts import check_pt, check_pt2
from service.errors import OwnerError
from service.framework import quiet
from service.lifecycle.engine import EXPORTERS, Exporter
from service.owner import Parameters, network

PREFIXES = ("module.", "_orig_mod.", "model.")
"""Before each name of a weight: of DataParallel, torch.compile and Lightning."""
INSIDE = ("state_dict", "model_state_dict", "model")
"""Where a checkpoint keeps the weights."""


class Original(nn.Module):
    """A trained *network*, from images ``(N, H, W, C) float32`` to its one tensor of scores."""

    exporters: Mapping[str, tuple[str, Exporter]] = EXPORTERS

    def __init__(self, trained: nn.Module, *, is_channels_first: bool) -> None:
        super().__init__()
        self.trained = trained
        self.is_channels_first = is_channels_first
        self.completed = ""
        self.training = False

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002, FBT001, FBT002 - nn.Module's
        """Stay as it was read: exported programs refuse to change."""
        return self

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        found = self.trained(image.permute(0, 3, 1, 2) if self.is_channels_first else image)
        while not isinstance(found, torch.Tensor):
            if hasattr(found, "logits"):
                found = found.logits
            elif isinstance(found, dict | list | tuple) and len(found) == 1:
                found = next(iter(found.values())) if isinstance(found, dict) else found[0]
            else:
                raise OwnerError(_several(found))
        if self.completed == "logits":
            found = torch.cat([torch.zeros_like(found), found], 1)
        elif self.completed == "probabilities":
            found = torch.cat([1 - found, found], 1)
        return found

    def predict(self, images: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        with torch.inference_mode():
            found: npt.NDArray[Any] = self(torch.from_numpy(images)).numpy()
        return found

    def network(self, scores: str, *, is_single: bool) -> Self:
        self.completed = scores if is_single else ""
        return self


def _several(found: Any) -> str:
    shapes = found.values() if isinstance(found, dict) else found
    if not isinstance(found, dict | list | tuple):
        shapes = [found]
    names = ", ".join(
        f"{tuple(each.shape)}" if isinstance(each, torch.Tensor) else type(each).__name__
        for each in shapes
    )
    return (
        f"The model gives {len(shapes)} outputs: {names}. This service takes a classifier, which "
        f"gives one tensor, a score for each label: no boxes, masks or features."
    )


def _tried(trained: nn.Module, parameters: Parameters) -> Original:
    """*trained* with the layout in which it takes images of the size."""
    images = torch.zeros(2, parameters.height, parameters.width, parameters.channels)
    reasons = []
    for is_channels_first in (True, False):
        original = Original(trained, is_channels_first=is_channels_first)
        try:
            with torch.inference_mode():
                original(images)
        except OwnerError:
            raise
        except Exception as error:  # noqa: BLE001 - a model may raise anything
            lines = str(error).strip().splitlines() or [""]
            reasons.append(f"{type(error).__name__}: {lines[-1].strip()[:200]}")
        else:
            return original
    raise OwnerError(
        f"The model does not run on a batch of 2 images of {parameters.height} by "
        f"{parameters.width} pixels and {parameters.channels} channels, neither as (N, C, H, W) "
        f"({reasons[0]}) nor as (N, H, W, C) ({reasons[1]})."
    )


def _refuse_other_inputs(count: int) -> None:
    if count != 1:
        raise OwnerError(f"The model has {count} inputs; this service gives it one, the images.")


def read_script(path: Path, parameters: Parameters, _label_count: int) -> Original:
    """TorchScript, which runs in an interpreter of its own."""
    check_pt(path)
    with quiet():
        script = torch.jit.load(path, map_location="cpu").eval()  # type: ignore[no-untyped-call]
        given = script.forward.schema.arguments[1:]
        _refuse_other_inputs(sum(not each.has_default_value() for each in given))
        return _tried(script, parameters)


def program_at(path: Path) -> torch.export.ExportedProgram:
    """An exported program."""
    check_pt2(path)
    try:
        return torch.export.load(path)
    except Exception as error:
        raise OwnerError(
            f'"{path}" does not load as an exported program: {type(error).__name__}: {error}'
        ) from error


def input_sizes(program: torch.export.ExportedProgram, path: Path) -> list[int | None]:
    """The sizes of the images that *program* reads, ``None`` where it takes any."""
    names = program.graph_signature.user_inputs
    _refuse_other_inputs(len(names))
    read = next(node for node in program.graph.nodes if node.name == names[0]).meta["val"]
    sizes = [size if isinstance(size, int) else None for size in read.shape]
    if sizes and sizes[0] is not None:
        raise OwnerError(
            f'"{path}" was exported for batches of {sizes[0]}. Export it for any: '
            f"torch.export.export(model, (x,), dynamic_shapes=({{0: torch.export.Dim.DYNAMIC}},)), "
            f"with an x of 2 images."
        )
    return sizes


def read_program(path: Path, parameters: Parameters, _label_count: int) -> Original:
    """An exported program."""
    return _tried(program_at(path).module(check_guards=False), parameters)


def read_checkpoint(path: Path, parameters: Parameters, _label_count: int) -> Original:
    """A checkpoint of transformers, as its folder has it."""
    return _tried(_checkpoint(path), parameters)


def _checkpoint(path: Path) -> nn.Module:
    import transformers  # noqa: PLC0415 - slow to import

    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    trained: nn.Module = transformers.AutoModelForImageClassification.from_pretrained(
        path, local_files_only=True, use_safetensors=None, trust_remote_code=False
    )
    return trained.eval()


def read_weights(path: Path, parameters: Parameters, label_count: int) -> Original:
    """A state dict, alone or in a checkpoint, in the owner's network."""
    weights = _weights_at(path)
    built = network.build(parameters, label_count)
    wanted = built.state_dict()
    optional = {name for name in wanted if name.endswith("num_batches_tracked")}
    while not weights.keys() & wanted.keys():
        prefix = next((each for each in PREFIXES if all(n.startswith(each) for n in weights)), "")
        if not prefix:
            break
        weights = {name.removeprefix(prefix): each for name, each in weights.items()}
    faults = [f"{name} is missing" for name in wanted if name not in weights.keys() | optional]
    others = [f"{name} is not in the network" for name in weights if name not in wanted]
    shapes = [
        f"{name} is {tuple(each.shape)}, the network's {tuple(wanted[name].shape)}"
        for name, each in weights.items()
        if name in wanted and each.shape != wanted[name].shape
    ]
    if found := [*faults[:2], *others[:2], *shapes[:2]]:
        count = len(faults) + len(others) + len(shapes)
        raise OwnerError(
            f'"{path}" has the weights of another network than build() in src/model/network.py '
            f"makes: {'; '.join(found)}; {count} differences in all. Put the class that was "
            f"trained there."
        )
    built.load_state_dict(weights, strict=False)
    return _tried(built.eval(), parameters)


def take_weights(built: nn.Module, path: Path, label_count: int) -> None:
    """Let *built* begin with the weights at *path*; a head of other labels learns anew."""
    weights = _checkpoint(path).state_dict() if path.is_dir() else _weights_at(path)
    wanted = built.state_dict()
    parts = next(iter(wanted)).split(".")
    before = [".".join([*parts[:count], ""]).lstrip(".") for count in range(len(parts))]
    found = max(
        (
            {added + name.removeprefix(left): each for name, each in weights.items()}
            for left in ("", *PREFIXES)
            for added in before
        ),
        key=lambda names: len(names.keys() & wanted.keys()),
    )
    fitting = {
        name: each
        for name, each in found.items()
        if name in wanted and each.shape == wanted[name].shape
    }
    lacking = [
        name for name in wanted if name not in fitting and not name.endswith("num_batches_tracked")
    ]
    of_labels = all(label_count in wanted[name].shape[:1] for name in lacking)
    if not of_labels or len({name.rpartition(".")[0] for name in lacking}) > 1:
        raise OwnerError(
            f'BASE_MODEL is "{path}", which has the weights of another network than build() in '
            f"src/model/network.py makes: {', '.join(lacking[:3])}{', ...' * (len(lacking) > 3)} "  # noqa: PLR2004
            f"({len(lacking)} in all) are missing there or have another shape. Only a head, one "
            f"layer that ends in the {label_count} labels, may. Put the class that was trained "
            f"there."
        )
    built.load_state_dict(fitting, strict=False)


def _weights_at(path: Path) -> dict[str, torch.Tensor]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file  # noqa: PLC0415 - not needed otherwise

        return load_file(path)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise OwnerError(f'"{path}" is broken: {type(error).__name__}.') from error
    while isinstance(found, dict):
        inside = next((found[key] for key in INSIDE if isinstance(found.get(key), dict)), None)
        if inside is None:
            break
        found = inside
    if not isinstance(found, dict) or not any(isinstance(v, torch.Tensor) for v in found.values()):
        raise OwnerError(
            f'"{path}" has no state dict: a dictionary of tensors, alone or as {", ".join(INSIDE)}.'
        )
    return {str(name): each for name, each in found.items() if isinstance(each, torch.Tensor)}
