"""The GPT-class network, one step of it, and how it learns. Knows nothing of texts or formats.

transformers' Auto classes choose the architecture by the configuration's ``model_type``: Llama,
GPT-2, Mistral, Qwen, Gemma 3 and their like. The starter's configuration is :data:`STARTER`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache, PreTrainedConfig
from transformers.utils import logging

from model.preprocess import Parameters
from service.errors import OwnerError
from service.framework import DEVICE
from service.manifest import Arrays
from service.past import masks
from service.training import UNKNOWN, Recipe

logging.set_verbosity_error()  # type: ignore[no-untyped-call]
logging.disable_progress_bar()  # type: ignore[no-untyped-call]

STARTER: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}

LAYER_TYPES = {"full_attention", "sliding_attention"}
"""Kinds of layers that a step can run."""


class Network(nn.Module):
    """A causal language model that keeps no state: what it has read is an input.

    Args:
        model: of transformers.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, tokens: torch.Tensor, lengths: torch.Tensor, past: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Read some tokens of each row.

        Args:
            tokens: ``(N, T) int64``, the same number of new ones in each row.
            lengths: ``(N,) int64``: how many tokens each row has read before.
            past: ``(N, layers, 2, P, heads, head size) float32``: their keys and values, P at least
                the largest of *lengths*; what lies behind a row's length does not count.

        Returns:
            ``(N, vocabulary) float32`` logits of the token that follows, and ``(N, layers, 2, T,
            heads, head size) float32`` keys and values of *tokens*.
        """
        new, read = tokens.shape[1], past.shape[3]
        cache: Any = DynamicCache()
        keys_and_values = past.transpose(3, 4)  # (N, layers, 2, heads, P, head size)
        for layer in range(past.shape[1]):
            cache.update(keys_and_values[:, layer, 0], keys_and_values[:, layer, 1], layer)
        found = self.model(
            input_ids=tokens,
            attention_mask=masks(self.model.config, lengths, new, read),
            position_ids=lengths[:, None] + torch.arange(new, device=tokens.device),
            cache=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        present = [
            torch.stack([layer.keys[:, :, read:], layer.values[:, :, read:]], 1)
            for layer in cache.layers
        ]
        return found.logits[:, 0], torch.stack(present, 1).transpose(3, 4)


def configure(base: Path | None, vocabulary_size: int) -> dict[str, Any]:
    """What a network is built from: a checkpoint's configuration, or the starter's.

    Args:
        base: folder of the checkpoint.
        vocabulary_size: of the starter's tokenizer.

    Raises:
        OwnerError: the checkpoint's network is unknown, or asks for what a step cannot do.
    """
    if base is None:
        return {**STARTER, "vocab_size": vocabulary_size}
    try:
        config = AutoConfig.from_pretrained(base, trust_remote_code=False)
    except Exception as error:  # transformers raises many kinds
        raise OwnerError(
            f'The config.json of the base model in "{base}" is unknown to transformers. '
            f"{type(error).__name__}: {str(error).splitlines()[0]}"
        ) from error
    _check(config)
    found: dict[str, Any] = config.to_diff_dict()
    return found


def _check(config: PreTrainedConfig) -> None:
    """Refuse by name what a step cannot do as transformers does it."""
    rope: Any = getattr(config, "rope_parameters", None) or {}
    found = {
        "layer_types": set(getattr(config, "layer_types", ())) - LAYER_TYPES,
        # Their frequencies would depend on the longest of the rows side by side.
        "rope_type": {rope.get("rope_type")} & {"dynamic", "longrope"},
        "is_encoder_decoder": config.is_encoder_decoder,
        "use_bidirectional_attention": getattr(config, "use_bidirectional_attention", False),
    }
    for name, refused in found.items():
        if refused:
            value = min(refused) if isinstance(refused, set) else refused
            raise OwnerError(
                f"The base model's {name} is {value!r}, which cannot be served here. "
                "Take a decoder with full or sliding attention and positions that do not change."
            )


def dimensions(network: dict[str, Any]) -> dict[str, int]:
    """The sizes of :class:`model.preprocess.Parameters` that follow from a configuration."""
    config = _config(network)
    heads = config.num_attention_heads
    return {
        "context_length": config.max_position_embeddings,
        "vocabulary_size": config.vocab_size,
        "layers": config.num_hidden_layers,
        "heads": getattr(config, "num_key_value_heads", None) or heads,
        "head_size": getattr(config, "head_dim", None) or config.hidden_size // heads,
    }


def build(parameters: Parameters, _label_count: int = 0) -> Network:
    """A network that has learnt nothing yet."""
    config = _config(parameters.network)
    return Network(AutoModelForCausalLM.from_config(config))  # type: ignore[no-untyped-call]


def from_checkpoint(folder: Path, parameters: Parameters, _label_count: int = 0) -> Network:
    """A network with a checkpoint's weights.

    Raises:
        OwnerError: the checkpoint does not have what its configuration says.
    """
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        folder,
        config=_config(parameters.network),
        dtype=torch.float32,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
    )
    model, found = loaded
    lacking = {*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])}
    if lacking:
        raise OwnerError(f'The base model in "{folder}" has no fitting {min(lacking)}.')
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
        batches: ``{"tokens": (N, T) int64}`` and ``(N, T)`` tokens that follow each, or ``UNKNOWN``
            where nothing is to be learnt.
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
        loss = nn.functional.cross_entropy(
            _logits(network, inputs).flatten(0, 1),
            torch.from_numpy(targets).to(DEVICE).flatten(),
            ignore_index=UNKNOWN,
        )
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        yield loss.item()


def judge(
    network: Network, inputs: Arrays, targets: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """How well *network* foresees texts.

    Args:
        network: that is judged.
        inputs: ``{"tokens": (N, T) int64}``.
        targets: ``(N, T)``: the tokens that follow each.

    Returns:
        Both ``(N, T)``: the negative log-likelihood of each target in nats, 0 where it is
        ``UNKNOWN``, and whether it was the most likely token.
    """
    network.to(DEVICE).eval()
    answers = torch.from_numpy(targets).to(DEVICE)
    with torch.inference_mode():
        logits = _logits(network, inputs)
        losses = nn.functional.cross_entropy(
            logits.flatten(0, 1), answers.flatten(), ignore_index=UNKNOWN, reduction="none"
        )
        hits = logits.argmax(dim=2) == answers
    return losses.reshape(targets.shape).cpu().numpy(), hits.cpu().numpy()


def _logits(network: Network, inputs: Arrays) -> torch.Tensor:
    """``(N, T, vocabulary) float32`` for whole texts."""
    found = network.model(input_ids=torch.from_numpy(inputs["tokens"]).to(DEVICE), use_cache=False)
    logits: torch.Tensor = found.logits
    return logits


def _config(network: dict[str, Any]) -> PreTrainedConfig:
    settings = dict(network)
    return AutoConfig.for_model(settings.pop("model_type"), **settings)
