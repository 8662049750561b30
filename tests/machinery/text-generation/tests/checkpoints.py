"""Small seeded checkpoints of two families, as files that any library reads."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import samples
from safetensors.numpy import save_file

LENGTHS = (1, 7, 60, 200)
"""Of prompts."""
NEW_TOKENS = 40
VOCABULARY = samples.TOKENS.get_vocab_size()
WIDTH, INNER, LAYERS, POSITIONS = 32, 48, 2, 256
KEYS = WIDTH // 2  # as wide as two of four heads
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "num_hidden_layers": LAYERS,
        "max_position_embeddings": POSITIONS,
        "tie_word_embeddings": False,
        "rope_parameters": {"rope_type": "default", "rope_theta": 500.0},
    },
    "gpt2": {
        "n_embd": WIDTH,
        "n_head": 4,
        "n_layer": LAYERS,
        "n_positions": POSITIONS,
        "resid_pdrop": 0.0,
    },
}
SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "llama": {
        "model.embed_tokens.weight": (VOCABULARY, WIDTH),
        "model.norm.weight": (WIDTH,),
        "lm_head.weight": (VOCABULARY, WIDTH),
        "model.layers.{}.input_layernorm.weight": (WIDTH,),
        "model.layers.{}.self_attn.q_proj.weight": (WIDTH, WIDTH),
        "model.layers.{}.self_attn.k_proj.weight": (KEYS, WIDTH),
        "model.layers.{}.self_attn.v_proj.weight": (KEYS, WIDTH),
        "model.layers.{}.self_attn.o_proj.weight": (WIDTH, WIDTH),
        "model.layers.{}.post_attention_layernorm.weight": (WIDTH,),
        "model.layers.{}.mlp.gate_proj.weight": (INNER, WIDTH),
        "model.layers.{}.mlp.up_proj.weight": (INNER, WIDTH),
        "model.layers.{}.mlp.down_proj.weight": (WIDTH, INNER),
    },
    "gpt2": {
        "transformer.wte.weight": (VOCABULARY, WIDTH),
        "transformer.wpe.weight": (POSITIONS, WIDTH),
        "transformer.ln_f.weight": (WIDTH,),
        "transformer.ln_f.bias": (WIDTH,),
        "transformer.h.{}.ln_1.weight": (WIDTH,),
        "transformer.h.{}.ln_1.bias": (WIDTH,),
        "transformer.h.{}.attn.c_attn.weight": (WIDTH, 3 * WIDTH),
        "transformer.h.{}.attn.c_attn.bias": (3 * WIDTH,),
        "transformer.h.{}.attn.c_proj.weight": (WIDTH, WIDTH),
        "transformer.h.{}.attn.c_proj.bias": (WIDTH,),
        "transformer.h.{}.ln_2.weight": (WIDTH,),
        "transformer.h.{}.ln_2.bias": (WIDTH,),
        "transformer.h.{}.mlp.c_fc.weight": (WIDTH, 4 * WIDTH),
        "transformer.h.{}.mlp.c_fc.bias": (4 * WIDTH,),
        "transformer.h.{}.mlp.c_proj.weight": (4 * WIDTH, WIDTH),
        "transformer.h.{}.mlp.c_proj.bias": (WIDTH,),
    },
}
"""Names and shapes of weights; braces stand for the number of a layer."""


def write_checkpoint(folder: Path, family: str) -> None:
    """Write one into *folder*; that of the Llama has a chat template."""
    random = np.random.default_rng(0)
    weights = {
        name.format(layer): random.normal(0, 0.2, shape).astype(np.float32)
        for layer in range(LAYERS)
        for name, shape in SHAPES[family].items()
    }
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    config = {
        "model_type": family,
        "vocab_size": VOCABULARY,
        "eos_token_id": samples.END_TOKEN,
        **CONFIGS[family],
    }
    (folder / "config.json").write_text(json.dumps(config))
    samples.TOKENS.save(str(folder / "tokenizer.json"), pretty=False)
    settings: dict[str, Any] = {"eos_token": {"content": samples.END}}
    if family == "llama":
        settings["chat_template"] = samples.CHAT
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def prompt_of(length: int) -> npt.NDArray[np.int64]:
    """A seeded prompt of so many tokens."""
    return np.random.default_rng(length).integers(0, VOCABULARY, length)
