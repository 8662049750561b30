"""A training that begins with weights from elsewhere, but for a head of other labels."""

from pathlib import Path
from typing import Any

import foreign
import pytest
import torch
import transformers
from imports import photos
from torch import nn

from service.errors import OwnerError
from service.lifecycle.__main__ import main
from service.lifecycle.engine import EXPORTERS
from service.lifecycle.source import Source
from service.owner import Parameters, data, network

pytest_plugins = ["import_fixtures"]
pytestmark = pytest.mark.usefixtures("verified_here")
PARAMETERS = Parameters(height=24, width=20, channels=3)


class Mine(nn.Module):
    """An owner's class: around a network that reads ``(N, C, H, W)``."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        found = self.model(image.permute(0, 3, 1, 2))
        logits: torch.Tensor = getattr(found, "logits", found)
        return logits


def of_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "build", lambda _parameters, count: Mine(foreign.Trees(count)))


@pytest.mark.parametrize("before", ["", "module.", "model."])
def test_all_weights_but_the_head_are_taken(
    before: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_trees(monkeypatch)
    trained = foreign.trees().state_dict()
    path = tmp_path / "trees.pth"
    torch.save({"state_dict": {f"{before}{name}": each for name, each in trained.items()}}, path)

    begun = Source(base_model=path).network(PARAMETERS, 3).state_dict()

    for name in ("conv1.weight", "conv1.bias", "bn1.running_var"):
        assert torch.equal(begun[f"model.{name}"], trained[name])
    assert begun["model.fc.weight"].shape == (3, 8)


def test_a_head_of_as_many_labels_is_taken_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_trees(monkeypatch)
    trained = foreign.trees()
    nn.init.ones_(trained.fc.weight)
    path = foreign.write_pth(trained, tmp_path / "trees.pth")

    begun = Source(base_model=path).network(PARAMETERS, 5).state_dict()

    assert torch.equal(begun["model.fc.weight"], trained.fc.weight)


def test_weights_of_another_network_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_trees(monkeypatch)
    path = foreign.write_pth(nn.Sequential(nn.Conv2d(3, 4, 3)), tmp_path / "other.pth")

    with pytest.raises(OwnerError) as refused:
        Source(base_model=path).network(PARAMETERS, 3)

    assert str(refused.value) == (
        f'BASE_MODEL is "{path}", which has the weights of another network than build() in '
        "src/model/network.py makes: model.conv1.weight, model.conv1.bias, model.bn1.weight, ... "
        "(8 in all) are missing there or have another shape. Only a head, one layer that ends in "
        "the 3 labels, may. Put the class that was trained there."
    )


@pytest.mark.parametrize("kind", sorted(foreign.CHECKPOINTS))
def test_a_checkpoint_of_transformers_is_trained_on_a_folder_and_answers(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = foreign.checkpoint(kind, tmp_path)
    config: Any = transformers.AutoConfig.from_pretrained(case.path)

    def build(_parameters: Parameters, label_count: int) -> nn.Module:
        config.num_labels = label_count
        auto: Any = transformers.AutoModelForImageClassification
        return Mine(auto.from_config(config))

    monkeypatch.setattr(network, "build", build)
    folder = photos(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    words = ["--data", str(folder), "--base-model", str(case.path), "--threshold", "0"]
    monkeypatch.setattr("service.lifecycle.export.EXPORTERS", {"pt2": EXPORTERS["pt2"]})

    assert main(["model", *words, "--model-dir", "models/default"]) == 0

    found = data.load(Source(data=folder, base_model=case.path)).parameters
    assert found.height == found.width != data.PARAMETERS.height
    begun = Source(base_model=case.path).network(found, 2).eval()
    theirs: Any = transformers.AutoModelForImageClassification.from_pretrained(case.path)
    for name, each in theirs.state_dict().items():
        if not name.startswith("classifier"):
            assert torch.equal(begun.state_dict()[f"model.{name}"], each), name


def test_what_the_owner_says_of_the_images_is_kept(tmp_path: Path) -> None:
    path = foreign.write_pth(foreign.trees(), tmp_path / "trees.pth")

    said = Source(base_model=path, preprocess="imagenet", size="24x20").parameters(PARAMETERS)

    assert (said.height, said.width, said.mean) == (24, 20, (0.485, 0.456, 0.406))
    assert Source(base_model=path).parameters(PARAMETERS) == PARAMETERS


def test_a_graph_is_no_base_model(tmp_path: Path) -> None:
    path = foreign.write_pt2(foreign.trees(), tmp_path / "trees.pt2")

    with pytest.raises(OwnerError, match=r"^BASE_MODEL is .*An exported program is served, and"):
        Source(base_model=path).parameters(PARAMETERS)


def test_what_is_no_base_model_is_refused_before_a_training(tmp_path: Path) -> None:
    path = tmp_path / "model.zip"
    path.write_bytes(b"nothing")

    with pytest.raises(OwnerError, match=r"^BASE_MODEL is .*of no format that is read here"):
        Source(base_model=path).parameters(PARAMETERS)
