"""GPT-class decoders, out of KerasHub, run step by step with their keys and values as an input.

KerasHub runs its own layers with one length for all rows of a batch. Rows that join and leave have
lengths of their own, so the sub-layers are run here, with explicit positions and masks. Some of
their names are private; a test compares the logits with those of whole texts.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from service.framework import keras, tf  # isort: split

import keras_hub

Backbone: TypeAlias = Any
"""A ``keras_hub.models.Backbone``; Keras carries no types."""

Tensor: TypeAlias = Any

Attend: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Queries, keys and values of the new tokens, ``(N, T, heads, head size)`` each, to what the
attention makes of them and of the past."""

_MASKED = -1e9
"""For a score that must not count."""

ops = keras.ops


def run_gpt2_layer(layer: Any, hidden: Tensor, _positions: Tensor, attend: Attend) -> Tensor:
    """One layer of GPT-2, whose positions are in its embeddings."""
    attention = layer._self_attention_layer  # noqa: SLF001
    normed = layer._self_attention_layer_norm(hidden)  # noqa: SLF001
    found = attend(
        attention.query_dense(normed), attention.key_dense(normed), attention.value_dense(normed)
    )
    hidden = hidden + attention.output_dense(found)
    normed = layer._feedforward_layer_norm(hidden)  # noqa: SLF001
    wide = layer._feedforward_intermediate_dense(normed)  # noqa: SLF001
    return hidden + layer._feedforward_output_dense(wide)  # noqa: SLF001


def run_llama_layer(layer: Any, hidden: Tensor, positions: Tensor, attend: Attend) -> Tensor:
    """One layer of Llama, which turns queries and keys by their positions."""
    attention = layer._self_attention_layer  # noqa: SLF001
    normed = layer._self_attention_layernorm(hidden)  # noqa: SLF001
    turn = attention.rotary_embedding_layer
    found = attend(
        turn(attention._query_dense(normed), positions=positions),  # noqa: SLF001
        turn(attention._key_dense(normed), positions=positions),  # noqa: SLF001
        attention._value_dense(normed),  # noqa: SLF001
    )
    hidden = hidden + attention._output_dense(found)  # noqa: SLF001
    normed = layer._feedforward_layernorm(hidden)  # noqa: SLF001
    gate = layer.activation(layer._feedforward_gate_dense(normed))  # noqa: SLF001
    wide = gate * layer._feedforward_intermediate_dense(normed)  # noqa: SLF001
    return hidden + layer._feedforward_output_dense(wide)  # noqa: SLF001


def attention(query: Tensor, parts: list[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    """Grouped-query attention over keys in several parts, which are never copied into one.

    Args:
        query: ``(N, T, heads, head size)``.
        parts: keys and values, ``(N, key heads, P, head size)``, and a mask that broadcasts to
            ``(N, 1, 1, T, P)``; the P of the parts differ.

    Returns:
        ``(N, T, heads, head size)``.
    """
    batch, new, heads, size = ops.shape(query)
    key_heads = parts[0][0].shape[1]
    grouped = ops.reshape(query * size**-0.5, (batch, new, key_heads, heads // key_heads, size))
    grouped = ops.transpose(grouped, (0, 2, 3, 1, 4))  # (N, key heads, group, T, size)
    flat = ops.reshape(grouped, (batch, key_heads, -1, size))
    scores = []
    for key, _, mask in parts:
        score = ops.reshape(
            tf.matmul(flat, key, transpose_b=True),
            (batch, key_heads, heads // key_heads, new, -1),
        )
        scores.append(ops.where(mask, score, _MASKED))
    weights = tf.nn.softmax(ops.concatenate(scores, axis=-1))
    weights = ops.reshape(weights, (batch, key_heads, -1, ops.shape(weights)[-1]))
    shares = tf.split(weights, [ops.shape(key)[2] for key, _, _ in parts], axis=-1)
    found = sum(tf.matmul(share, value) for share, (_, value, _) in zip(shares, parts, strict=True))
    found = ops.reshape(found, (batch, key_heads, heads // key_heads, new, size))
    return ops.reshape(ops.transpose(found, (0, 3, 1, 2, 4)), (batch, new, heads, size))


@keras.saving.register_keras_serializable(package="service")
class Decoder(keras.layers.Layer):  # type: ignore[misc]
    """A causal language model that keeps no state: what it has read is an input.

    Args:
        backbone: GPT-2, or Llama.
        has_own_head: whether the logits have weights of their own, apart from the embeddings'.
        options: Keras's own.
    """

    def __init__(self, backbone: Backbone, *, has_own_head: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.backbone = backbone
        self.has_own_head = has_own_head
        self.head = None
        if has_own_head:
            self.head = keras.layers.Dense(backbone.vocabulary_size, use_bias=False, name="head")
            self.head.build((None, None, backbone.hidden_dim))
        self.built = True

    @property
    def is_gpt2(self) -> bool:
        """The backbone is a GPT-2."""
        return isinstance(self.backbone, keras_hub.models.GPT2Backbone)

    def read(self, tokens: Tensor, *, training: bool = False) -> Tensor:
        """``(N, T, vocabulary)`` logits for whole texts, ``(N, T) int64``."""
        inputs = {"token_ids": tokens, "padding_mask": ops.ones_like(tokens)}
        return self._logits(self.backbone(inputs, training=training))

    def call(self, tokens: Tensor, lengths: Tensor, past: Tensor) -> dict[str, Tensor]:
        """Read some tokens of each row, as the signature in ``model/preprocess.py`` says.

        What lies in *past* behind a row's length does not count, but must be finite.
        """
        new, positions_read = ops.shape(tokens)[1], ops.shape(past)[3]
        positions = lengths[:, None] + ops.arange(new, dtype="int64")
        before = ops.arange(positions_read, dtype="int64") < lengths[:, None]  # (N, P)
        before = before[:, None, None, None]
        among = ops.arange(new)[:, None] >= ops.arange(new)  # (T, T)
        by_layer = ops.transpose(past, (1, 2, 0, 4, 3, 5))  # (layers, 2, N, heads, P, size)

        hidden = self.backbone.token_embedding(tokens)
        if self.is_gpt2:
            hidden = hidden + self.backbone.position_embedding(hidden, positions=positions)
        run_layer = run_gpt2_layer if self.is_gpt2 else run_llama_layer
        present: list[Tensor] = []
        for layer, cached in zip(
            self.backbone.transformer_layers, tf.unstack(by_layer), strict=True
        ):
            old_key, old_value = tf.unstack(cached)
            old = (old_key, old_value, before)

            def attend(query: Tensor, key: Tensor, value: Tensor, old: Any = old) -> Tensor:
                present.append(ops.stack((key, value), axis=1))
                key, value = (ops.transpose(each, (0, 2, 1, 3)) for each in (key, value))
                return attention(query, [old, (key, value, among)])

            hidden = run_layer(layer, hidden, positions, attend)
        last = self.backbone.layer_norm(hidden[:, -1])
        return {"logits": self._logits(last), "present": ops.stack(present, axis=1)}

    def compute_output_spec(self, tokens: Tensor, lengths: Tensor, past: Tensor) -> Any:  # noqa: ARG002
        """Shapes, for Keras, which would find them by calling the layer with unknown ones."""
        _, layers, two, _, heads, size = past.shape
        batch, new = tokens.shape
        return {
            "logits": keras.KerasTensor((batch, self.backbone.vocabulary_size), "float32"),
            "present": keras.KerasTensor((batch, layers, two, new, heads, size), "float32"),
        }

    def get_config(self) -> dict[str, Any]:
        """What the decoder is made from when it is loaded."""
        backbone = keras.saving.serialize_keras_object(self.backbone)
        if not self.is_gpt2:  # KerasHub's own leaves it out
            backbone["config"]["tie_word_embeddings"] = self.backbone.tie_word_embeddings
        return {**super().get_config(), "backbone": backbone, "has_own_head": self.has_own_head}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Decoder":
        """The decoder that :meth:`get_config` describes."""
        backbone = keras.saving.deserialize_keras_object(config.pop("backbone"))
        return cls(backbone, **config)

    def _logits(self, hidden: Tensor) -> Tensor:
        if self.head is not None:
            return self.head(hidden)
        return self.backbone.token_embedding(hidden, reverse=True)
