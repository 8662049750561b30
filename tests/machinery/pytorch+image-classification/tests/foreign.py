"""Models that know nothing of this service, as people train them with PyTorch alone."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
import transformers
from imports import ALL, LABELS, SIZE, Case, pictures, with_the_other
from onnx import TensorProto, helper
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from service.framework import quiet

IMAGES = torch.zeros(2, 3, *SIZE)
BATCH = ({0: torch.export.Dim.DYNAMIC},)
MEAN, SCALE = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Trees(nn.Module):
    """Reads ``(N, C, H, W)``, as torchvision's models do."""

    def __init__(self, outputs: int = len(LABELS), *, ends: str = "") -> None:
        super().__init__()
        torch.manual_seed(7)
        self.conv1 = nn.Conv2d(3, 8, 3, 2)
        self.bn1 = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, outputs)
        nn.init.normal_(self.fc.weight, std=6)
        self.ends = ends

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.fc(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))
        if self.ends == "softmax":
            return torch.softmax(x, 1)
        return torch.sigmoid(x) if self.ends == "sigmoid" else x


class ChannelsLast(Trees):
    """Reads ``(N, H, W, C)``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.permute(0, 3, 1, 2))


def trees(outputs: int = len(LABELS), *, ends: str = "") -> Trees:
    """A trained model, ready to answer."""
    return Trees(outputs, ends=ends).eval()


def scores(model: nn.Module, *, mean: Any = 0, scale: Any = 1) -> npt.NDArray[Any]:
    """What *model* says of the pictures, as its owner would run it: probabilities."""
    pixels = np.stack(pictures()).astype(np.float32) / 255
    batch = torch.from_numpy(((pixels - mean) / scale).astype(np.float32)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        found = model(batch)
        found = found if getattr(model, "ends", "") else torch.softmax(found, 1)
    array: npt.NDArray[Any] = found.numpy()
    return array


def write_pth(model: nn.Module, path: Path) -> Path:
    torch.save(model.state_dict(), path)
    return path


def write_pt2(model: nn.Module, path: Path, images: torch.Tensor = IMAGES) -> Path:
    with quiet():
        torch.export.save(torch.export.export(model, (images,), dynamic_shapes=BATCH), path)
    return path


def write_scripted(model: nn.Module, path: Path) -> Path:
    with quiet():
        torch.jit.script(model).save(str(path))  # type: ignore[no-untyped-call]
    return path


def write_traced(model: nn.Module, path: Path) -> Path:
    with quiet():
        torch.jit.trace(model, IMAGES[:1]).save(str(path))  # type: ignore[no-untyped-call]
    return path


def write_onnx(model: nn.Module, path: Path, *, shapes: Any = BATCH, beside: bool = False) -> Path:
    with quiet():
        torch.onnx.export(
            model,
            (IMAGES if shapes else IMAGES[:1],),
            f=path,
            dynamo=True,
            dynamic_shapes=shapes,
            external_data=beside,
            verbose=False,
        )
    return path


def write_onnx_of_one(model: nn.Module, path: Path) -> Path:
    """For batches of one image, its weights in a file beside it."""
    return write_onnx(model, path, shapes=None, beside=True)


FORMATS: dict[str, Callable[[nn.Module, Path], Path]] = {
    "trees.pt2": write_pt2,
    "scripted.pt": write_scripted,
    "traced.pt": write_traced,
    "trees.onnx": write_onnx,
    "one.onnx": write_onnx_of_one,
}
"""What says by itself what the network is."""


EVERY_FORMAT = "onnx,pt2"
"""What it can be exported to."""


def write(folder: Path) -> Case:
    """Any model, whose file says the size."""
    model = trees()
    path = write_pt2(model, folder / "trees.pt2")
    return Case(path, {"preprocess": "zero-one", "labels": ALL["labels"]}, scores(model))


def _format(name: str, ends: str, folder: Path) -> Case:
    model = trees(ends=ends)
    return Case(FORMATS[name](model, folder / name), ALL, scores(model))


def _one_score(name: str, ends: str, folder: Path) -> Case:
    """One output for two labels: the second's, with its sigmoid or without."""
    model = trees(1, ends=ends)
    path = FORMATS[name](model, folder / name)
    model.ends = "sigmoid"
    labels = ["no", "yes"]
    return Case(path, ALL | {"labels": "no,yes"}, with_the_other(scores(model)), labels)


def _channels_last(folder: Path) -> Case:
    path = write_pt2(ChannelsLast().eval(), folder / "last.pt2", IMAGES.permute(0, 2, 3, 1))
    return Case(path, ALL, scores(trees()))


def _own_preprocessing(folder: Path) -> Case:
    model = trees()
    settings = folder / "preprocess.json"
    settings.write_text(json.dumps({"mean": MEAN, "scale": SCALE, "resampling": "bicubic"}))
    path = write_pt2(model, folder / "trees.pt2")
    return Case(path, ALL | {"preprocess": str(settings)}, scores(model, mean=MEAN, scale=SCALE))


def _bytes(folder: Path) -> Case:
    """A graph that reads UINT8, and says so."""
    model = trees()
    graph = onnx.load(write_onnx(model, folder / "float.onnx"))
    name = graph.graph.input[0].name
    graph.graph.input[0].name = "bytes"
    graph.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    graph.graph.node.insert(0, helper.make_node("Cast", ["bytes"], ["_x"], to=TensorProto.FLOAT))
    graph.graph.initializer.append(helper.make_tensor("_s", TensorProto.FLOAT, [], [255]))
    graph.graph.node.insert(1, helper.make_node("Div", ["_x", "_s"], [name]))
    onnx.save(graph, folder / "bytes.onnx")
    return Case(folder / "bytes.onnx", {"labels": ALL["labels"]}, scores(model))


def _weights(inside: str, prefix: str, folder: Path) -> Case:
    """A state dict, with *prefix* before its names, perhaps *inside* a checkpoint."""
    model = trees()
    weights: dict[str, Any] = {f"{prefix}{n}": each for n, each in model.state_dict().items()}
    whole = {"epoch": 3, "optimizer": {"lr": 0.1}, inside: weights} if inside else weights
    path = folder / "checkpoint.pth"
    torch.save(whole, path)
    return Case(path, ALL, scores(model), build=build)


def build(_parameters: Any, label_count: int) -> nn.Module:
    """The class in an owner's src/model/network.py."""
    return Trees(label_count)


def _safetensors(folder: Path) -> Case:
    model = trees()
    save_file(model.state_dict(), folder / "model.safetensors")
    return Case(folder / "model.safetensors", ALL, scores(model), build=build)


CHECKPOINTS: dict[str, tuple[Any, dict[str, Any], Any, dict[str, Any]]] = {
    "vit": (
        transformers.ViTConfig,
        {
            "hidden_size": 16,
            "intermediate_size": 32,
            "image_size": 32,
            "patch_size": 8,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
        },
        transformers.ViTImageProcessorPil,
        {"size": {"height": 32, "width": 32}},
    ),
    "resnet": (
        transformers.ResNetConfig,
        {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"},
        transformers.ConvNextImageProcessorPil,
        {"size": {"shortest_edge": 32}, "crop_pct": 0.875, "resample": 3, "image_mean": MEAN},
    ),
    "convnext": (
        transformers.ConvNextConfig,
        {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2},
        transformers.ConvNextImageProcessorPil,
        {"size": {"shortest_edge": 384}, "crop_pct": 0.875, "image_std": SCALE},
    ),
}
"""Kind to configuration and image processor of transformers."""


def checkpoint(kind: str, folder: Path, *, is_pickled: bool = False) -> Case:
    """A checkpoint, with its own labels and preprocessing: nothing is said of it."""
    config, sizes, processor, settings = CHECKPOINTS[kind]
    torch.manual_seed(1)
    numbers = {label: number for number, label in enumerate(LABELS)}
    described = config(id2label=dict(enumerate(LABELS)), label2id=numbers, **sizes)
    model = transformers.AutoModelForImageClassification.from_config(described).eval()  # type: ignore[no-untyped-call]
    model.save_pretrained(folder / kind)
    if is_pickled:
        (folder / kind / "model.safetensors").unlink()
        torch.save(model.state_dict(), folder / kind / "pytorch_model.bin")
    prepare = processor(**settings)
    prepare.save_pretrained(folder / kind)
    images = [Image.effect_mandelbrot((90, 60), (-2, -1, 1, 1), 50), Image.radial_gradient("L")]
    images = [image.convert("RGB") for image in images]
    with torch.inference_mode():
        batches = [prepare(image, return_tensors="pt") for image in images]
        pixels = torch.cat([batch["pixel_values"] for batch in batches])
        found = torch.softmax(model(pixels).logits, 1).numpy()
    return Case(folder / kind, {}, found, images=[np.asarray(image) for image in images])


CASES: dict[str, Callable[[Path], Case]] = {
    **{name: partial(_format, name, "") for name in FORMATS},
    **{
        f"softmax-{name}": partial(_format, name, "softmax")
        for name in ("trees.pt2", "traced.pt", "trees.onnx")
    },
    **{
        f"one-score-{ends or 'logit'}-{name}": partial(_one_score, name, ends)
        for name in ("trees.pt2", "traced.pt", "trees.onnx")
        for ends in ("sigmoid", "")
    },
    "channels-last.pt2": _channels_last,
    "own-preprocessing": _own_preprocessing,
    "bytes.onnx": _bytes,
    **{
        f"weights-{inside}-{prefix}": partial(_weights, inside, prefix)
        for inside, prefix in [
            ("", ""),
            ("state_dict", "model."),
            ("model_state_dict", ""),
            ("model", "module."),
            ("", "_orig_mod."),
            ("", "_orig_mod.module."),
            ("", "module._orig_mod."),
        ]
    },
    "safetensors": _safetensors,
    **{kind: partial(checkpoint, kind) for kind in CHECKPOINTS},
    "pickled-vit": partial(checkpoint, "vit", is_pickled=True),
}
"""Name to what writes the model into a folder."""
PLAIN = "weights--"
"""One whose file is read without the framework, until it is to run."""
