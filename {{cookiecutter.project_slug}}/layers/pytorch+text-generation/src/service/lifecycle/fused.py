"""A step as ONNX, with attention that reads and writes the keys and values where they lie.

ONNX Runtime's GroupQueryAttention adds the new keys and values to buffers that are input and output
at once, and looks at as many positions of a row as the row has read.
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface, DynamicCache

from service.framework import quiet
from service.owner import Network, Parameters
from service.steps import names

_ATTENTION = "buffers"
"""Under this name transformers knows the attention of a step that is exported."""
_OPERATOR = "com.microsoft::GroupQueryAttention"


class _Unfit(Exception):
    """The network's attention is of another kind."""


class _NewOnly(DynamicCache):
    """Gives each layer what is new alone; what was read before is in buffers."""

    def update(self, key: Any, value: Any, *_args: Any, **_options: Any) -> Any:  # type: ignore[override]
        return key, value


class _Step(nn.Module):
    """One step of a network, with a buffer for the keys, and one for the values of each layer."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.model = network.model
        self._lengths: tuple[Any, Any]
        self._past: list[Any]
        self._present: list[Any]

    def forward(self, tokens: Any, lengths: Any, past: list[Any]) -> tuple[Any, ...]:
        """Read tokens as ``Network`` does.

        Args:
            tokens: ``(N, T) int64``; T may be above 1 in one row alone.
            lengths: ``(N,) int64``.
            past: keys and values of each layer, ``(N, heads, P, head size) float32``; P is at least
                the largest of *lengths* and T.

        Returns:
            Logits, and *past* with what is new.
        """
        new = tokens.shape[1]
        last = (lengths + (new - 1)).to(torch.int32)
        self._lengths, self._past, self._present = (last, last.max() + 1), past, []
        found = self.model(
            input_ids=tokens,
            attention_mask=_marks(self.model.config),
            position_ids=lengths[:, None] + torch.arange(new),
            cache=_NewOnly(),
            use_cache=True,
            logits_to_keep=1,
        )
        if len(self._present) != len(past):
            raise _Unfit
        return found.logits[:, 0], *self._present

    def attend(
        self, module: Any, query: Any, key: Any, value: Any, mask: Any, **options: Any
    ) -> tuple[Any, None]:
        """What transformers asks of an attention, ``(N, heads, T, head size)`` each."""
        window, number = mask.shape[-1], len(self._present)
        if not isinstance(window, int) or number != 2 * module.layer_idx:
            raise _Unfit
        batch, heads, new, size = query.shape
        old = self._past[number : number + 2]
        flat = (each.transpose(1, 2).flatten(2) for each in (query, key, value))
        found, *present = torch.onnx.ops.symbolic_multi_out(
            _OPERATOR,
            [*flat, *old, *self._lengths],
            attrs={
                "num_heads": heads,
                "kv_num_heads": key.shape[1],
                "scale": float(options.get("scaling") or size**-0.5),
                "local_window_size": window or -1,
            },
            dtypes=[torch.float32] * 3,
            shapes=[(batch, new, heads * size), *(each.shape for each in old)],
            version=1,
        )
        self._present += present
        return found.reshape(batch, new, heads, size), None


def _marks(config: Any) -> Any:
    """A mask's stand-in for each kind of layer, as long as its window; empty where it has none."""
    found = {"full_attention": torch.zeros(1, 1, 1, 0)}
    if window := getattr(config, "sliding_window", None):
        found["sliding_attention"] = torch.zeros(1, 1, 1, window)
    return found if hasattr(config, "layer_types") else found.popitem()[1]


def to_onnx(network: Network, parameters: Parameters, path: Path) -> bool:
    """Write the step; false where the network's attention is of a kind that this cannot do."""
    model = network.cpu().eval().model
    usual = model.config._attn_implementation  # noqa: SLF001 - transformers has no other way
    if usual != "sdpa":
        return False
    try:
        program = _program(network, parameters)
    except Exception:  # noqa: BLE001 - transformers' networks are many, and each has its own way
        return False
    finally:
        model.set_attn_implementation(usual)
    old, new = names(parameters.layers)
    with quiet():
        torch.onnx.export(
            program,
            f=path,
            input_names=["tokens", "lengths", *old],
            output_names=["logits", *new],
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    return True


def _program(network: Network, parameters: Parameters) -> torch.export.ExportedProgram:
    step = _Step(network)
    AttentionInterface.register(_ATTENTION, step.attend)
    network.model.set_attn_implementation(_ATTENTION)
    shape = (2, parameters.heads, 5, parameters.head_size)
    buffers = [torch.zeros(shape) for _ in range(2 * parameters.layers)]
    inputs = (torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, dtype=torch.int64), buffers)
    auto = torch.export.Dim.DYNAMIC
    shapes = ({0: auto, 1: auto}, {0: auto}, [{0: auto, 2: auto}] * len(buffers))
    return torch.export.export(step, inputs, dynamic_shapes=shapes)
