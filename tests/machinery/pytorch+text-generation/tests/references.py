"""What transformers says follows prompts."""

from pathlib import Path
from typing import Any

import samples
import torch
from checkpoints import CONFIGS, LENGTHS, NEW_TOKENS, VOCABULARY, prompt_of, write_checkpoint
from transformers import AutoConfig, AutoModelForCausalLM

__all__ = ["FAMILIES", "LENGTHS", "NEW_TOKENS", "greedy", "prompt_of", "write"]

WINDOW = 32
_SIZES: dict[str, Any] = {
    **CONFIGS["llama"],
    "vocab_size": VOCABULARY,
    "eos_token_id": samples.END_TOKEN,
    "bos_token_id": None,
    "pad_token_id": None,
    "initializer_range": 0.2,
}
_BY_LAYER = {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 1}
_OTHERS: dict[str, dict[str, Any]] = {
    "mistral": {"sliding_window": WINDOW},
    "qwen2": _BY_LAYER,
    "qwen3": {**_BY_LAYER, "head_dim": 8},
    "gemma3_text": {"sliding_window": WINDOW, "sliding_window_pattern": 2, "head_dim": 8},
}
FAMILIES = [*CONFIGS, *_OTHERS]


def write(folder: Path, family: str) -> None:
    """Write a small seeded checkpoint into *folder*."""
    write_checkpoint(folder, family if family in CONFIGS else "llama")
    if family in _OTHERS:
        torch.manual_seed(0)
        config = AutoConfig.for_model(family, **{**_SIZES, **_OTHERS[family]})
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)  # type: ignore[no-untyped-call]


def greedy(folder: Path, _family: str, length: int) -> list[int]:
    """The tokens behind the prompt of *length*."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.generation_config.eos_token_id = None
    prompt = torch.from_numpy(prompt_of(length))[None]
    found = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=NEW_TOKENS,
        do_sample=False,
        pad_token_id=0,
    )
    tokens: list[int] = found[0, length:].tolist()
    return tokens
