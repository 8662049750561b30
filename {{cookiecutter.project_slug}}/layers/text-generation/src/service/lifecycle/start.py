"""What a generator starts from: its tokenizer, its chat template, how its network is configured."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from service import manifest as manifests
from service.errors import OwnerError
from service.lifecycle import numbers
from service.lifecycle.source import Checkpoint
from service.owner import CHAT_TEMPLATE, TOKENIZER, Parameters, network

VOCABULARY_SIZE = 512
"""Of the starter's own tokenizer."""

END, USER, ASSISTANT, SYSTEM = "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"
STARTER_TEMPLATE = Path(__file__).with_name("chat_template.jinja")


@dataclass(frozen=True)
class Start:
    """Tokenizer, chat template and configuration.

    Args:
        assets: the files of the first two, by their path in a version's folder.
        parameters: of the task.
    """

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
    """What *checkpoint* has.

    Raises:
        OwnerError: it does not say how a text ends.
    """
    configuration = network.configure(checkpoint.folder, 0)
    parameters = Parameters(
        **network.dimensions(configuration),
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
