"""Your network: a BERT-class encoder with a head, and how it learns.

Without a base model its architecture is :data:`STARTER`; else transformers' Auto classes choose it
by the checkpoint's ``model_type``: BERT, DistilBERT, RoBERTa, ELECTRA and their like.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from transformers import AutoConfig, PreTrainedConfig
# only: text-classification
from transformers import AutoModelForSequenceClassification as AutoModelForTask
# end
# only: token-classification
from transformers import AutoModelForTokenClassification as AutoModelForTask
# end
from transformers.utils import logging

from model.preprocess import Parameters
from service.errors import OwnerError
from service.framework import DEVICE
from service.manifest import Arrays
from service.training import UNKNOWN, Recipe

logging.set_verbosity_error()  # type: ignore[no-untyped-call]
logging.disable_progress_bar()  # type: ignore[no-untyped-call]

STARTER: dict[str, Any] = {
    "model_type": "bert",
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "max_position_embeddings": 512,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}


class Network(nn.Module):
    """An encoder with the task's head.

    Args:
        model: of transformers.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """``(N, L) int64`` tokens and ones and zeros to float32 logits, as the task has them."""
        found = self.model(input_ids=input_ids, attention_mask=attention_mask)
        logits: torch.Tensor = found.logits
        return logits


def configure(base: Path | None, vocabulary_size: int) -> dict[str, Any]:
    """What a network is built from: a checkpoint's configuration, or the starter's.

    Args:
        base: folder of the checkpoint.
        vocabulary_size: of the starter's tokenizer.

    Raises:
        OwnerError: the checkpoint's configuration is of an unknown network.
    """
    if base is None:
        return {**STARTER, "vocab_size": vocabulary_size}
    try:
        config = AutoConfig.from_pretrained(base, trust_remote_code=False).to_diff_dict()
    except Exception as error:  # transformers raises many kinds
        raise OwnerError(
            f'The config.json of the base model in "{base}" is unknown to transformers. '
            f"{type(error).__name__}: {str(error).splitlines()[0]}"
        ) from error
    return {key: value for key, value in config.items() if key not in {"label2id", "id2label"}}


def build(parameters: Parameters, label_count: int) -> Network:
    """A network that has learnt nothing yet."""
    config = _config(parameters, label_count)
    return Network(AutoModelForTask.from_config(config))  # type: ignore[no-untyped-call]


def from_checkpoint(folder: Path, parameters: Parameters, label_count: int) -> Network:
    """A network with a checkpoint's weights.

    The head's weights are taken where they are there and fit; else the head has learnt nothing yet.

    Raises:
        OwnerError: the checkpoint does not have what its configuration says.
    """
    model, found = AutoModelForTask.from_pretrained(
        folder,
        config=_config(parameters, label_count),
        dtype=torch.float32,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
    )
    lacking = {*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])}
    for name in sorted(lacking):
        if name.startswith(f"{model.base_model_prefix}.") and ".pooler." not in name:
            raise OwnerError(f'The base model in "{folder}" has no fitting {name}.')
    return Network(model)


def train(
    network: Network,
    batches: Iterable[tuple[Arrays, npt.NDArray[np.int64]]],
    steps: int,
    recipe: Recipe,
) -> Iterator[float]:
    """Train *network* on one batch after the other.

    Args:
        network: changed in place.
        batches: ``{"input_ids": (N, L) int64, "attention_mask": (N, L) int64}`` and indices of
            labels, ``(N,)`` or ``(N, L)``.
        steps: how many batches there are.
        recipe: how fast it learns.

    Yields:
        The loss of each batch.
    """
    network.to(DEVICE).train()
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=recipe.weight_decay)
    for step, (inputs, targets) in enumerate(batches):
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate(step, steps)
        tensors = {name: torch.from_numpy(array).to(DEVICE) for name, array in inputs.items()}
        loss = nn.functional.cross_entropy(
            network(**tensors).flatten(0, -2),
            torch.from_numpy(targets).to(DEVICE).flatten(),
            ignore_index=UNKNOWN,
        )
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        yield loss.item()


def _config(parameters: Parameters, label_count: int) -> PreTrainedConfig:
    settings = dict(parameters.network)
    return AutoConfig.for_model(settings.pop("model_type"), **settings, num_labels=label_count)
