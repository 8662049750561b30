"""Models that PyTorch alone has made answer here as they do there, or are refused by a sentence."""

import json
from pathlib import Path

import foreign
import huggingface_hub
import pytest
import torch
from imports import ALL, assert_answers, import_model, refused
from torch import nn

from service import manifest as manifests
from service.framework import quiet
from service.owner import network

pytest_plugins = ["import_fixtures"]
pytestmark = pytest.mark.usefixtures("verified_here")


def test_a_checkpoint_is_taken_from_the_hub_by_its_revision(
    tmp_path: Path,
    models: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = []

    def download(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((name, revision, allow_patterns))
        raise OSError("403 Client Error: a gated repository\nmore")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.chdir(tmp_path)

    assert refused("org/trees@v1", models, capsys) == (
        'FROM is "org/trees@v1", which is no file or folder here, and cannot be had from the '
        "Hugging Face hub either. OSError: 403 Client Error: a gated repository"
    )
    assert asked == [("org/trees", "v1", ["*.json", "*.safetensors"])]


def test_pickled_weights_are_taken_from_the_hub_where_it_has_no_others(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = foreign.checkpoint("vit", tmp_path, is_pickled=True)
    asked = []

    def download(_name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((revision, allow_patterns))
        return str(case.path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.chdir(tmp_path)

    assert import_model("org/trees", models) == 0

    assert asked == [(None, ["*.json", "*.safetensors"]), (None, ["pytorch_model*.bin"])]


def test_a_checkpoint_whose_weights_are_code_is_refused(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(VIT))
    path = tmp_path / "pytorch_model.bin"
    torch.save({"model": foreign.trees()}, path)

    assert refused(tmp_path, models, capsys).startswith(
        f'"{path}" is a pickle that names foreign.Trees: to load it would run code.'
    )


def test_a_checkpoint_without_weights_is_refused(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(VIT))

    assert refused(tmp_path, models, capsys) == (
        f'FROM is "{tmp_path}", a checkpoint without weights: neither *.safetensors nor '
        "pytorch_model.bin is there. Save it by model.save_pretrained(folder)."
    )


VIT = {"architectures": ["ViTForImageClassification"], "model_type": "vit"}


def test_a_checkpoint_for_another_task_is_refused(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["BertForMaskedLM"]}))

    assert refused(tmp_path, models, capsys) == (
        f'FROM is "{tmp_path}", a checkpoint of BertForMaskedLM; this service classifies images, '
        "with ...ForImageClassification."
    )


@pytest.mark.parametrize("problem", ["multi_label_classification", "regression"])
def test_a_checkpoint_for_another_problem_is_refused(
    problem: str, tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(VIT | {"problem_type": problem}))

    assert refused(tmp_path, models, capsys) == (
        f'FROM is "{tmp_path}", whose problem_type is {problem}. This service gives the one label '
        "that is right: single_label_classification is accepted."
    )


class Pair(foreign.Trees):
    """Two inputs."""

    def forward(self, x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(x + other)


class Boxes(foreign.Trees):
    """Two outputs."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # type: ignore[override]
        found = super().forward(x)
        return found, found[:, :4]


def test_a_pickled_class_is_not_loaded(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "whole.pth"
    torch.save(foreign.trees(), path)

    assert refused(path, models, capsys, **ALL) == (
        f'"{path}" is a pickle that names foreign.Trees: to load it would run code. Where that '
        "class is, write the weights alone, torch.save(model.state_dict(), "
        '"model.pth"), or the graph, torch.export.save(torch.export.export(model, (x,), '
        'dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)), "model.pt2").'
    )


def test_weights_can_have_every_format(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = foreign.trees()
    path = foreign.write_pth(model, tmp_path / "trees.pth")
    monkeypatch.setattr(network, "build", foreign.build)

    assert import_model(path, models, formats="onnx,pt2,pt", **ALL) == 0

    assert_answers(models, foreign.scores(model))


def test_onnx_is_exported_beside_what_is_served_and_the_fastest_is_chosen(
    tmp_path: Path,
    models: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = foreign.trees()
    path = foreign.write_pth(model, tmp_path / "trees.pth")
    monkeypatch.setattr(network, "build", foreign.build)
    monkeypatch.setenv("OPTIMISE", "")

    assert import_model(path, models, **ALL) == 0

    formats = [each.format for each in manifests.read(models / "1").artefacts]
    assert sorted(formats) == ["onnx", "pt2"]
    assert f'Services serve "{formats[0]}"' in capsys.readouterr().out
    assert_answers(models, foreign.scores(model))


def test_a_model_that_onnx_cannot_say_is_imported_without(
    tmp_path: Path,
    models: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unsupported(*_: object, **__: object) -> None:
        raise RuntimeError("no ONNX function for aten.trees")

    model = foreign.trees()
    path = foreign.write_pth(model, tmp_path / "trees.pth")
    monkeypatch.setattr(network, "build", foreign.build)
    monkeypatch.setattr(torch.onnx, "export", unsupported)
    monkeypatch.setenv("OPTIMISE", "")

    assert import_model(path, models, **ALL) == 0

    assert [each.format for each in manifests.read(models / "1").artefacts] == ["pt2"]
    said = capsys.readouterr().out
    assert '- onnx left out: The export to "onnx" failed, and no version was written.' in said
    assert_answers(models, foreign.scores(model))


def test_the_weights_of_another_network_are_told_apart(
    tmp_path: Path,
    models: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(network, "build", foreign.build)
    path = tmp_path / "other.pth"
    torch.save(nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8)).state_dict(), path)

    assert refused(path, models, capsys, **ALL) == (
        f'"{path}" has the weights of another network than build() in src/model/network.py '
        "makes: conv1.weight is missing; conv1.bias is missing; 0.weight is not in the network; "
        "0.bias is not in the network; 15 differences in all. Put the class that was trained "
        "there."
    )


def test_a_model_of_two_inputs_is_refused(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = (foreign.IMAGES, foreign.IMAGES)
    with quiet():
        torch.jit.trace(Pair().eval(), pair).save(tmp_path / "pair.pt")  # type: ignore[no-untyped-call]
        torch.export.save(torch.export.export(Pair().eval(), pair), tmp_path / "pair.pt2")
        torch.onnx.export(Pair().eval(), pair, f=tmp_path / "pair.onnx", dynamo=True, verbose=False)

    for name in ("pair.pt", "pair.pt2"):
        assert refused(tmp_path / name, models, capsys, **ALL) == (
            "The model has 2 inputs; this service gives it one, the images."
        )
    assert refused(tmp_path / "pair.onnx", models, capsys, **ALL) == (
        f'"{tmp_path / "pair.onnx"}" has the inputs x, other and the outputs linear. This service '
        "takes a classifier: one input, the images, and one output, a score for each label."
    )


def test_boxes_are_refused(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = foreign.write_traced(Boxes().eval(), tmp_path / "boxes.pt")

    assert refused(path, models, capsys, **ALL) == (
        "The model gives 2 outputs: (2, 5), (2, 4). This service takes a classifier, which gives "
        "one tensor, a score for each label: no boxes, masks or features."
    )


def test_independent_scores_are_refused(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = foreign.write_traced(foreign.trees(ends="sigmoid"), tmp_path / "many.pt")

    assert refused(path, models, capsys, **ALL) == (
        "A TorchScript file judges each label by itself: its scores do not add up to 1. This "
        "service gives the one label that is right. If the scores are logits of a softmax, give "
        "SCORES=logits."
    )


def test_a_regression_is_refused(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = foreign.write_traced(foreign.trees(1), tmp_path / "age.pt")

    assert refused(path, models, capsys, **ALL) == (
        "A TorchScript file gives 1 scores for an image, and there are 5 labels. That is a "
        "regression, or LABELS is wrong."
    )


def test_missing_weights_of_a_graph_are_named(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = foreign.write_onnx_of_one(foreign.trees(), tmp_path / "one.onnx")
    (tmp_path / "one.onnx.data").unlink()

    assert refused(path, models, capsys, **ALL) == (
        f'"{path}" keeps its weights in "one.onnx.data", which is not beside it. Copy that file '
        "too."
    )


def test_a_program_for_one_batch_alone_is_refused(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "one.pt2"
    torch.export.save(torch.export.export(foreign.trees(), (foreign.IMAGES[:1],)), path)

    assert refused(path, models, capsys, **ALL) == (
        f'"{path}" was exported for batches of 1. Export it for any: torch.export.export(model, '
        "(x,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)), with an x of 2 images."
    )


@pytest.mark.parametrize("name", ["model.h5", "notes.txt", "model.pth", "model.pt2"])
def test_what_is_no_model_is_refused(
    name: str, tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(b"no model")

    assert refused(path, models, capsys, **ALL).startswith(
        f'FROM is "{path}", which is of no format that is read here. Accepted are a state dict '
        "(.pth, .pt, .safetensors) for the network in src/model/network.py, TorchScript (.pt), "
    )
