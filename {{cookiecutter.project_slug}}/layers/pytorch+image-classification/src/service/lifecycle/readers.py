"""What the file of a trained model says, before PyTorch is imported: refusals come at once."""

import json
import re
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

from service.errors import OwnerError
from service.lifecycle.original import Found, Model, image_of
from service.lifecycle.pickles import is_pickle
from service.owner import Parameters

ACCEPTED = (
    "Accepted are a state dict (.pth, .pt, .safetensors) for the network in src/model/network.py, "
    "TorchScript (.pt), an exported program (.pt2), ONNX (.onnx), and a folder of Hugging Face "
    "transformers."
)


_WEIGHTS = "A file of weights"


def geometry(preprocessing: str, side: int) -> dict[str, Any]:
    """How images are fitted: for ImageNet's preprocessing as torchvision's transforms do."""
    if preprocessing != "imagenet":
        return {"resampling": "bilinear"}
    return {"resampling": "bilinear", "fit": "crop", "shorter_side": round(side * 256 / 224)}


def find(path: Path) -> Found:
    """What the file or folder at *path* is, and says.

    Raises:
        OwnerError: it is nothing that is read safely, or is no classifier of images.
    """
    path = local(path)
    if not path.exists():
        raise OwnerError(f'FROM is "{path}", which is not there. {ACCEPTED}')
    if path.is_dir():
        return _folder(path)
    if path.suffix == ".onnx":
        return _onnx(path)
    names = zipfile.ZipFile(path).namelist() if zipfile.is_zipfile(path) else []
    if any("/models/" in f"/{name}" and name.endswith(".json") for name in names):
        return _program(path)
    if any("/code/" in name for name in names):
        return Found("A TorchScript file", ("pt",), partial(_read, "script", path))
    if path.suffix != ".safetensors" and not is_pickle(path):
        raise OwnerError(f'FROM is "{path}", which is of no format that is read here. {ACCEPTED}')
    return Found(_WEIGHTS, ("pt2", "pt", "onnx"), partial(_read, "weights", path))


def find_base(path: Path) -> Found:
    """What the weights at *path* say, be they of a classifier or of what one begins with."""
    if path.is_dir():
        return _folder(path, is_base=True)
    found = find(path)
    if found.kind != _WEIGHTS:
        raise OwnerError(
            f'BASE_MODEL is "{path}". {found.kind} is served, and not trained on; accepted are a '
            f"state dict (.pth, .pt, .safetensors) and a folder of Hugging Face transformers."
        )
    return found


def local(path: Path) -> Path:
    """*path*; or where the checkpoint that has this name on the Hugging Face hub was put."""
    is_name = re.fullmatch(r"[\w-]+/[\w.-]+(@[\w.-]+)?", str(path)) is not None
    return _from_hub(str(path)) if is_name and not path.parent.exists() else path


def _read(kind: str, path: Path, parameters: Parameters, label_count: int) -> Model:
    from service.lifecycle import originals  # noqa: PLC0415 - PyTorch, which refusals do not need

    model: Model = getattr(originals, f"read_{kind}")(path, parameters, label_count)
    return model


def _program(path: Path) -> Found:
    from service.lifecycle import originals  # noqa: PLC0415

    program = originals.program_at(path)
    sizes = originals.input_sizes(program, path)
    kind = "An exported program"
    return Found(
        kind,
        ("pt2", "onnx"),  # a graph with a batch of any length cannot be traced
        partial(_read, "program", path),
        **image_of(kind, sizes, is_channels_first=True),
    )


def _onnx(path: Path) -> Found:
    from service.lifecycle.onnx_models import OnnxModel  # noqa: PLC0415

    model = OnnxModel(path)
    kind = "An ONNX model"
    return Found(
        kind,
        ("onnx",),
        model.read,
        parameters={"scale": 1 / 255} if model.reads_bytes else None,
        **image_of(kind, model.sizes, is_channels_first=True),
    )


def _folder(path: Path, *, is_base: bool = False) -> Found:
    """A folder as transformers writes it, with the settings of its image processor."""
    if not (path / "config.json").is_file():
        raise OwnerError(f'FROM is "{path}", a folder without a config.json. {ACCEPTED}')
    config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    kind = f"A checkpoint of {config.get('model_type', 'unknown')}"
    names = config.get("architectures") or ["no network"]
    if not names[0].endswith("ForImageClassification") and not is_base:
        raise OwnerError(
            f'FROM is "{path}", a checkpoint of {names[0]}; this service classifies images, with '
            f"...ForImageClassification."
        )
    others = {"multi_label_classification", "regression"}
    if config.get("problem_type") in others and not is_base:
        raise OwnerError(
            f'FROM is "{path}", whose problem_type is {config["problem_type"]}. This service gives '
            f"the one label that is right: single_label_classification is accepted."
        )
    names = {int(key): str(label) for key, label in (config.get("id2label") or {}).items()}
    labels = [names[key] for key in sorted(names)]
    is_named = labels and not all(label.startswith("LABEL_") for label in labels)
    pickles = [each for each in path.glob("pytorch_model*.bin") if is_pickle(each)]
    if not pickles and not any(path.glob("*.safetensors")):
        raise OwnerError(
            f'FROM is "{path}", a checkpoint without weights: neither *.safetensors nor '
            f"pytorch_model.bin is there. Save it by model.save_pretrained(folder)."
        )
    settings = path / "preprocessor_config.json"
    found = json.loads(settings.read_text(encoding="utf-8")) if settings.is_file() else None
    return Found(
        kind,
        ("pt2", "pt", "onnx"),
        partial(_read, "checkpoint", path),
        parameters=None if found is None else _processor(found),
        channels=config.get("num_channels", 3),
        label_count=len(labels) or None,
        labels=labels if is_named else None,
        scores="logits",
    )


def _from_hub(name: str) -> Path:
    """The folder of the checkpoint *name* on the Hugging Face hub, perhaps with ``@REVISION``."""
    repository, _, revision = name.partition("@")
    try:
        from huggingface_hub import snapshot_download  # noqa: PLC0415 - not needed otherwise

        download = partial(snapshot_download, repository, revision=revision or None)
        found = Path(download(allow_patterns=["*.json", "*.safetensors"]))
        if not any(found.glob("*.safetensors")):
            download(allow_patterns=["pytorch_model*.bin"])
    except Exception as error:  # noqa: BLE001 - the hub's client raises many kinds
        raise OwnerError(
            f'FROM is "{name}", which is no file or folder here, and cannot be had from the '
            f"Hugging Face hub either. {type(error).__name__}: {str(error).splitlines()[0]}"
        ) from None
    return found


def _processor(settings: dict[str, Any]) -> dict[str, Any] | None:
    """The parameters of an image processor of transformers; ``None`` where they are not alike."""
    size, crop = _sides(settings.get("size", 224)), _sides(settings.get("crop_size", {}))
    crop = crop if settings.get("do_center_crop") else {}
    shorter = size.get("shortest_edge")
    if shorter and not crop and "crop_pct" in settings:  # of ConvNeXT
        crop = {"height": shorter, "width": shorter}
        is_small = shorter < 384  # noqa: PLR2004 - as there
        shorter = int(shorter / settings["crop_pct"]) if is_small else None
        size = crop
    is_known = bool(shorter) == bool(crop) or size == crop
    is_known &= settings.get("do_resize", True)
    is_known &= abs(settings.get("rescale_factor", 1 / 255) - 1 / 255) < 1e-6  # noqa: PLR2004
    if not is_known or settings.get("rescale_offset"):
        return None
    methods = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box"}
    found = {"resampling": methods[settings.get("resample", 2)], "antialias": True}
    found |= {"fit": "crop", "shorter_side": shorter} if shorter else {"fit": "squash"}
    found |= {name: (crop or size)[name] for name in ("height", "width")}
    found["scale"] = 1.0 if settings.get("do_rescale", True) else 1 / 255
    if settings.get("do_normalize", True):
        found |= {"mean": settings["image_mean"], "scale": settings["image_std"]}
    return found


def _sides(size: Any) -> dict[str, Any]:
    return {"height": size, "width": size} if isinstance(size, int) else dict(size or {})
