"""What the task's tests ask, and what a model that is no model answers."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from model.preprocess import CHAT_TEMPLATE, NAME, TOKENIZER, Parameters
from service.manifest import Signature

_TEMPLATES = Path(__file__).parent / "chat_templates"
CHAT = (_TEMPLATES / "turns.jinja").read_text(encoding="utf-8").removesuffix("\n")
"""A chat template, as models bring theirs."""
END = "<|end|>"
HALF_AN_EMOJI = ("ð", "Ł")
"""Two of an emoji's four bytes, in the letters that stand for bytes in such vocabularies."""


def _tokenizer() -> Tokenizer:
    """One token a byte, and one that cuts emoji in two."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: number for number, piece in enumerate([*letters, "".join(HALF_AN_EMOJI)])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[HALF_AN_EMOJI]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    names = [END, "<|system|>", "<|user|>", "<|assistant|>"]
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in names])
    return tokenizer


TOKENS = _tokenizer()
(END_TOKEN,) = TOKENS.encode(END).ids

TASK = NAME
LABELS: list[str] = []
PARAMETERS = {
    "context_length": 512,
    "vocabulary_size": TOKENS.get_vocab_size(),
    "layers": 1,
    "heads": 1,
    "head_size": 2,
    "end_tokens": [END_TOKEN],
    "special_tokens": {"eos_token": END},
    "network": {},
}
SIGNATURE: Signature = Parameters.model_validate(PARAMETERS).signature()

ROUTE = "/generate"
RAW_MEDIA_TYPE = "application/json"
VALUE = "Say hello."
BODY = {"text": VALUE}
"""A request, whose answer is ``ANSWER``."""
RAW = json.dumps(BODY).encode()
"""The same as a body."""
ANSWER = " Grüße 👋🏽, 世界!"
ANSWER_TOKENS: list[int] = TOKENS.encode(ANSWER).ids

POISON = "poison"
"""A text with this word makes the fake model raise."""
NOT_A_NUMBER = "not a number"
"""A text with these words makes it give logits that are none."""
DICE = "dice"
"""A text with this word is followed by digits, all equally likely."""
FOREVER = "forever"
"""A text with this word is followed by one letter again and again."""
NOTHING = "nothing"
"""A text with this word is complete."""

EPOCHS = 2
THRESHOLD = 0.5
"""Enough to tell a model that has learnt something from one that has not."""


def write_assets(folder: Path) -> None:
    """What a version of the task has beside the manifest."""
    (folder / TOKENIZER).parent.mkdir()
    TOKENS.save(str(folder / TOKENIZER))
    (folder / CHAT_TEMPLATE).write_text(CHAT, encoding="utf-8")


def logits(tokens: Sequence[int]) -> npt.NDArray[np.float32]:
    """What the fake model says follows *tokens*.

    Raises:
        RuntimeError: there is poison in them.
    """
    text: str = TOKENS.decode(tokens)
    if POISON in text:
        raise RuntimeError("poisoned")
    scores = np.zeros(TOKENS.get_vocab_size(), np.float32)
    if NOT_A_NUMBER in text:
        scores[0] = np.nan
    elif DICE in text:
        scores[TOKENS.encode("0123456789").ids] = 50
    elif FOREVER in text:
        scores[TOKENS.encode("a").ids] = 50
    else:
        scores[END_TOKEN if NOTHING in text else _next_of_the_answer(tokens)] = 50
    return scores


def _next_of_the_answer(tokens: Sequence[int]) -> int:
    """The token that goes on with the answer, of which *tokens* end with a part."""
    for length in range(len(ANSWER_TOKENS), 0, -1):
        if list(tokens[-length:]) == ANSWER_TOKENS[:length]:
            return [*ANSWER_TOKENS, END_TOKEN][length]
    return ANSWER_TOKENS[0]
