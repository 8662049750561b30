# only: text-generation
"""Prompts -> texts in one graph: the loop over tokens, with its cache, for TensorFlow Serving.

The tokens are chosen as ``sampling.py`` chooses them, by the same arithmetic in float64; the random
numbers come with the request.
"""

from typing import Any, NamedTuple, TypeAlias

from service.framework import tf
from service.owner import Network, Parameters

Tensor: TypeAlias = Any

RUNS, STOP, LENGTH, FAILED = 0, 1, 2, 3
"""How a row stands: it goes on, has met an end token, is cut off, or its logits are no numbers."""


class _State(NamedTuple):
    """What the loop carries from token to token, for N rows."""

    number: Tensor
    """() int32: tokens that each row that runs has been given."""
    past: Tensor
    """(N, layers, 2, P, heads, size) float32."""
    lengths: Tensor
    """(N,) int64: tokens in ``past``."""
    token: Tensor
    """(N,) int64: what is read next."""
    given: Tensor
    """(N, M) int64: the answer, -1 behind its end."""
    standing: Tensor
    """(N,) int32."""
    seen: Tensor
    """(N, vocabulary) bool: in prompt or answer."""
    counts: Tensor
    """(N, vocabulary) int32: in the answer."""


def generate(network: Network, parameters: Parameters, asked: dict[str, Tensor]) -> dict[str, Any]:
    """The texts that follow prompts.

    Args:
        network: one step of the model.
        parameters: the model's.
        asked: ``tokens`` (N, T), padded behind, of which ``lengths`` (N,) count;
            ``max_new_tokens`` (N,), ``end_tokens`` (N, E), -1 for none; the fields of ``Sampling``
            (N,), without the seed; and ``uniforms`` (N, M) in [0, 1), one for each token.

    Returns:
        ``new_tokens`` (N, M) int64, -1 behind the end, and ``standing`` (N,) int32.
    """
    state = _begin(network, parameters, asked)

    def goes_on(*values: Tensor) -> Tensor:
        return tf.reduce_any(_State(*values).standing == RUNS)

    def advance(*values: Tensor) -> tuple[Tensor, ...]:
        return tuple(_advance(network, _State(*values), asked))

    shapes = _State(*(tf.TensorShape(each.shape) for each in state))
    last = _State(*tf.while_loop(goes_on, advance, tuple(state), shape_invariants=tuple(shapes)))
    return {"new_tokens": last.given, "standing": last.standing}


def _begin(network: Network, parameters: Parameters, asked: dict[str, Tensor]) -> _State:
    """Read all prompts but their last tokens, whose logits begin the answers."""
    tokens, lengths = asked["tokens"], asked["lengths"]
    rows = tf.shape(tokens)[0]
    room = tf.shape(tokens)[1] + tf.cast(tf.reduce_max(asked["max_new_tokens"]), tf.int32)
    cache = (parameters.layers, 2, parameters.heads, parameters.head_size)
    layers, two, heads, size = cache
    empty = tf.zeros((rows, layers, two, 1, heads, size))
    present = network(
        {"tokens": tokens, "lengths": tf.zeros_like(lengths), "past": empty}, training=False
    )["present"]
    padding = room - tf.shape(tokens)[1]
    past = tf.pad(present, [[0, 0], [0, 0], [0, 0], [0, padding], [0, 0], [0, 0]])
    past = tf.ensure_shape(past, (None, layers, two, None, heads, size))
    counted = tf.range(tf.shape(tokens, tf.int64)[1])[None] < lengths[:, None]
    vocabulary = parameters.vocabulary_size
    seen = tf.reduce_any(tf.one_hot(tf.where(counted, tokens, -1), vocabulary) > 0, axis=1)
    return _State(
        number=tf.constant(0),
        past=past,
        lengths=lengths - 1,
        token=tf.gather(tokens, lengths - 1, batch_dims=1),
        given=tf.fill(tf.shape(asked["uniforms"]), tf.constant(-1, tf.int64)),
        standing=tf.fill([rows], RUNS),
        seen=seen,
        counts=tf.zeros((rows, vocabulary), tf.int32),
    )


def _advance(network: Network, state: _State, asked: dict[str, Tensor]) -> _State:
    """Give every row that runs one more token, or its end."""
    longest = tf.maximum(tf.reduce_max(state.lengths), 1)
    outputs = network(
        {
            "tokens": state.token[:, None],
            "lengths": state.lengths,
            "past": state.past[:, :, :, :longest],
        },
        training=False,
    )
    past = _written(state.past, outputs["present"], state.lengths)
    logits = tf.cast(outputs["logits"], tf.float64)
    token = _chosen(logits, state, asked)
    runs = state.standing == RUNS
    failed = ~tf.math.is_finite(tf.reduce_max(logits, axis=1))
    ends = tf.reduce_any(token[:, None] == asked["end_tokens"], axis=1)
    gives = runs & ~failed & ~ends
    number = state.number + 1
    is_full = tf.cast(number, tf.int64) >= asked["max_new_tokens"]
    standing = tf.where(runs & failed, FAILED, state.standing)
    standing = tf.where(runs & ~failed & ends, STOP, standing)
    standing = tf.where(gives & is_full, LENGTH, standing)
    hot = tf.one_hot(tf.where(gives, token, -1), tf.shape(state.counts)[1], dtype=tf.int32)
    place = tf.one_hot(
        state.number, tf.shape(state.given)[1], dtype=tf.bool, on_value=True, off_value=False
    )
    return _State(
        number=number,
        past=past,
        lengths=state.lengths + tf.cast(gives, tf.int64),
        token=tf.where(gives, token, state.token),
        given=tf.where(gives[:, None] & place[None], token[:, None], state.given),
        standing=standing,
        seen=state.seen | (hot > 0),
        counts=state.counts + hot,
    )


def _written(past: Tensor, present: Tensor, lengths: Tensor) -> Tensor:
    """*past* with what is new behind the first *lengths* positions of each row."""
    rows, layers, two = (tf.shape(past, tf.int64)[axis] for axis in range(3))
    shape = (rows, layers, two)
    parts = (
        tf.range(rows)[:, None, None],
        tf.range(layers)[:, None],
        tf.range(two),
        lengths[:, None, None],
    )
    places = tf.stack([tf.broadcast_to(part, shape) for part in parts], axis=-1)
    return tf.tensor_scatter_nd_update(past, places, present[:, :, :, 0])


def _chosen(logits: Tensor, state: _State, asked: dict[str, Tensor]) -> Tensor:
    """(N, vocabulary) float64 -> (N,) int64: the next token of each row."""
    logits = _penalised(logits, state, asked)
    likeliest = tf.argmax(logits, axis=1)
    temperature = asked["temperature"][:, None]
    is_greedy = temperature == 0
    scaled = logits - tf.reduce_max(logits, axis=1, keepdims=True)
    scaled /= tf.where(is_greedy, tf.ones_like(temperature), temperature)
    powers = tf.exp(scaled - tf.reduce_max(scaled, axis=1, keepdims=True))
    probabilities = powers / tf.reduce_sum(powers, axis=1, keepdims=True)
    uniform = asked["uniforms"][:, state.number]
    drawn = _drawn(probabilities, uniform, asked["top_k"], asked["top_p"])
    return tf.where(is_greedy[:, 0], likeliest, drawn)


def _penalised(logits: Tensor, state: _State, asked: dict[str, Tensor]) -> Tensor:
    penalty = asked["repetition_penalty"][:, None]
    repeated = tf.where(logits > 0, logits / penalty, logits * penalty)
    logits = tf.where(state.seen, repeated, logits)
    counts = tf.cast(state.counts, tf.float64)
    present = asked["presence_penalty"][:, None] * tf.cast(counts > 0, tf.float64)
    return logits - present - asked["frequency_penalty"][:, None] * counts


def _drawn(probabilities: Tensor, uniform: Tensor, top_k: Tensor, top_p: Tensor) -> Tensor:
    """A token by its probability, among those that ``top_k`` and then ``top_p`` leave."""
    vocabulary = tf.shape(probabilities, tf.int64)[1]
    is_cut = (top_k > 0) | (top_p < 1)
    ranked = tf.argsort(-probabilities, axis=1, stable=True)
    order = tf.where(is_cut[:, None], tf.cast(ranked, tf.int64), tf.range(vocabulary)[None])
    sums = tf.cumsum(tf.gather(probabilities, order, batch_dims=1), axis=1)  # (N, vocabulary)
    most = tf.where(top_k > 0, tf.minimum(top_k, vocabulary), vocabulary)
    total = tf.where(top_k > 0, tf.gather(sums, most - 1, batch_dims=1), tf.ones_like(top_p))
    # The token that reaches top_p is kept.
    below = tf.cast(sums < (top_p * total)[:, None], tf.int64)
    reached = tf.minimum(tf.reduce_sum(below, axis=1) + 1, most)
    kept = tf.where(top_p < 1, reached, most)
    aim = uniform * tf.gather(sums, kept - 1, batch_dims=1)
    passed = tf.reduce_sum(tf.cast(sums <= aim[:, None], tf.int64), axis=1)
    return tf.gather(order, tf.minimum(passed, kept - 1), batch_dims=1)
# end
