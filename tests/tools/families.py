"""Small networks of the families that checkpoints come in, as transformers configures them."""

from typing import Any

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"word{number}" for number in range(95))]
SIZES = {"vocab_size": len(WORDS), "initializer_range": 0.2}
BERT = {
    **SIZES,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "max_position_embeddings": 64,
}
DISTILBERT = {**SIZES, "dim": 32, "hidden_dim": 48, "n_heads": 4, "n_layers": 2}
GPT2 = {**SIZES, "n_embd": 32, "n_head": 4, "n_layer": 2, "n_positions": 64, "eos_token_id": 3}
LLAMA = {**BERT, "num_key_value_heads": 2, "tie_word_embeddings": False, "eos_token_id": 3}
NEW_TOKENS = 16
"""How far a text is gone on with."""
FAMILIES: dict[str, dict[str, Any]] = {
    "text-classification/BertForSequenceClassification": {**BERT, "num_labels": 3},
    "text-classification/DistilBertForSequenceClassification": {**DISTILBERT, "num_labels": 3},
    "token-classification/BertForTokenClassification": {**BERT, "num_labels": 3},
    "text-generation/GPT2LMHeadModel": GPT2,
    "text-generation/LlamaForCausalLM": LLAMA,
}
"""Task and class of transformers, and its configuration."""
