"""What a generator starts from: its tokenizer, its chat template, how its network is configured."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer

from service import manifest as manifests
from service.errors import OwnerError
from service.lifecycle import engine, numbers
from service.lifecycle.evaluation import foresee
from service.lifecycle.source import Checkpoint
from service.owner import CHAT_TEMPLATE, TOKENIZER, Parameters, network
from service.settings import MAX_CONTEXT_TOKENS
from service.training import UNKNOWN

if TYPE_CHECKING:
    from service.owner import Network

VOCABULARY_SIZE = 512
"""Of the starter's own tokenizer."""

END, USER, ASSISTANT, SYSTEM = "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"
STARTER_TEMPLATE = Path(__file__).with_name("chat_template.jinja")


TOLERANCE = 0.05
"""Most nats by which a token may be foreseen otherwise step by step than in a whole text."""
_TOO_MUCH = (
    "The base model cannot be served: it does not read a text of {length} tokens step by step as "
    "it does at once. {fault}. Take a decoder with usual attention, or set fewer "
    '"max_position_embeddings" in its config.json where it has fewer.'
)


@dataclass(frozen=True)
class Start:
    """The files of tokenizer and chat template, by their path in a version's folder; parameters."""

    assets: dict[str, bytes]
    parameters: Parameters


def from_texts(texts: list[str]) -> Start:
    """What can be learnt from *texts*, for a network that begins from scratch."""
    tokenizer = numbers.learn_tokenizer(
        texts, vocabulary_size=VOCABULARY_SIZE, special_tokens=[END, USER, ASSISTANT, SYSTEM]
    )
    known = Tokenizer.from_str(tokenizer.decode())
    configuration = network.configure(None, known.get_vocab_size())
    parameters = Parameters(
        **network.dimensions(configuration),
        end_tokens=(known.token_to_id(END),),
        special_tokens={"eos_token": END},
        network=configuration,
    )
    return Start({TOKENIZER: tokenizer, CHAT_TEMPLATE: STARTER_TEMPLATE.read_bytes()}, parameters)


def from_checkpoint(checkpoint: Checkpoint) -> Start:
    """What *checkpoint* has; ``OwnerError`` where it is no decoder, or no text of it would end."""
    configuration = network.configure(checkpoint.folder, 0)
    try:
        dimensions = network.dimensions(configuration)
    except (AttributeError, KeyError, TypeError) as error:
        kind = checkpoint.config.get("model_type")
        raise OwnerError(
            f"The base model's model_type is {kind!r}, and its config.json lacks what decoders "
            f"have: {error}. Take a decoder whose layers all have attention."
        ) from None
    parameters = Parameters(
        **dimensions,
        end_tokens=tuple(_end_tokens(checkpoint)),
        special_tokens=_special_tokens(checkpoint),
        network=configuration,
    )
    assets = {TOKENIZER: checkpoint.tokenizer}
    template = _chat_template(checkpoint)
    if template is not None:
        assets[CHAT_TEMPLATE] = template
    return Start(assets, parameters)


def from_version(folder: Path) -> Start:
    """What the model version in *folder* has."""
    parameters = Parameters.model_validate(manifests.read(folder).parameters)
    names = [name for name in (TOKENIZER, CHAT_TEMPLATE) if (folder / name).is_file()]
    return Start({name: (folder / name).read_bytes() for name in names}, parameters)


def read_longest(
    model: "Network", _checkpoint: Checkpoint, parameters: Parameters, _label_count: int
) -> None:
    """Let *model* read one text as long as the service reads, whole and step by step.

    ``OwnerError`` where it cannot, or does not foresee the same.
    """
    length = min(parameters.context_length, MAX_CONTEXT_TOKENS)
    text = np.random.default_rng(0).integers(0, parameters.vocabulary_size, (1, length + 1))
    tokens, targets = text[:, :-1], text[:, 1:].copy()
    targets[:, :-2] = UNKNOWN
    predict = partial(engine.predict, model, parameters.signature())
    try:
        whole, _ = network.judge(model, {"tokens": tokens}, targets)
        by_step, _ = foresee(predict, parameters, tokens, targets)
        difference = float(np.abs(whole - by_step).max())
    except Exception as error:
        fault = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        raise OwnerError(_TOO_MUCH.format(length=length, fault=fault)) from error
    if not difference < TOLERANCE:
        fault = f"The last tokens differ by {difference:.3g} nats"
        raise OwnerError(_TOO_MUCH.format(length=length, fault=fault))


def _end_tokens(checkpoint: Checkpoint) -> list[int]:
    """Ids of the tokens with which the model ends a text: what says so last counts."""
    ids: Any = checkpoint.config.get("eos_token_id")
    path = checkpoint.folder / "generation_config.json"
    if path.is_file():
        ids = json.loads(path.read_bytes()).get("eos_token_id", ids)
    if ids is None:
        raise OwnerError(
            f'The base model in "{checkpoint.folder}" has no eos_token_id in its config.json or '
            "generation_config.json, so its texts would never end. Add it."
        )
    return [ids] if isinstance(ids, int) else list(ids)


def _special_tokens(checkpoint: Checkpoint) -> dict[str, str]:
    """Tokens by the names that chat templates know, as in ``eos_token``."""
    found = {}
    for name, token in checkpoint.tokenizer_config.items():
        content = token.get("content") if isinstance(token, dict) else token
        if name.endswith("_token") and isinstance(content, str):
            found[name] = content
    return found


def _chat_template(checkpoint: Checkpoint) -> bytes | None:
    """The template, to the byte; of several the default one."""
    path = checkpoint.folder / "chat_template.jinja"
    if path.is_file():
        return path.read_bytes()
    template: Any = checkpoint.tokenizer_config.get("chat_template")
    if isinstance(template, list):
        template = next((each["template"] for each in template if each["name"] == "default"), None)
    return None if template is None else str(template).encode()
