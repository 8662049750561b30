"""Text generation: text <-> tokens.

The rules by which a text becomes tokens are those of the model's tokenizer, and a conversation
becomes a text by the model's chat template; training, the service and the tests all use them. Knows
nothing of HTTP or of machine-learning frameworks.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from jinja2 import TemplateError
from pydantic import BaseModel, ConfigDict, Field

from service import manifest as manifests
from service.chat import ChatTemplate, Plain, read_tokenizer
from service.errors import BadValue
from service.manifest import Manifest, Signature, Tensor
from service.settings import Settings
from service.text import read_text

NAME = "text-generation"
TOKENIZER = "tokenizer/tokenizer.json"
CHAT_TEMPLATE = "tokenizer/chat_template.jinja"
"""Both in a version's folder."""


class Parameters(BaseModel):
    """What the model is, and what its tokens mean; lies in the manifest as ``parameters``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    context_length: int = Field(ge=2)
    """Most tokens of a prompt and its answer."""
    vocabulary_size: int = Field(ge=1)
    layers: int = Field(ge=1)
    heads: int = Field(ge=1)
    """Of the keys and values; queries may have more."""
    head_size: int = Field(ge=1)
    end_tokens: tuple[int, ...]
    """Tokens with which the model ends a text."""
    special_tokens: dict[str, str] = {}
    """What a chat template calls ``bos_token``, ``eos_token`` and the like."""
    network: dict[str, Any]
    """What ``model/network.py`` builds the network from."""

    def signature(self, _label_count: int = 0) -> Signature:
        """The signature of one step of the model.

        It reads T tokens for each of N rows. A row has read ``lengths`` tokens before; of these
        ``past`` has keys and values, and whatever it has behind them does not count. Out come the
        logits of the token that follows the last one, and the keys and values of the T tokens.
        """
        cache = (self.layers, 2, None, self.heads, self.head_size)
        return Signature(
            inputs=[
                Tensor(name="tokens", dtype="int64", shape=(None, None)),
                Tensor(name="lengths", dtype="int64", shape=(None,)),
                Tensor(name="past", dtype="float32", shape=(None, *cache)),
            ],
            outputs=[
                Tensor(name="logits", dtype="float32", shape=(None, self.vocabulary_size)),
                Tensor(name="present", dtype="float32", shape=(None, *cache)),
            ],
        )

    def empty_past(self, rows: int) -> npt.NDArray[np.float32]:
        """Keys and values of rows that have read nothing."""
        shape = (rows, self.layers, 2, 1, self.heads, self.head_size)
        return np.zeros(shape, np.float32)


class Task:
    """Reads prompts and conversations, and writes texts.

    Args:
        folder: the version's; the tokenizer lies there, and perhaps a chat template.
        manifest: the model's; ``parameters`` are read.
        settings: limits of a request.

    Raises:
        OwnerError: a file is missing, or changed since the export.
    """

    def __init__(self, folder: Path, manifest: Manifest, settings: Settings) -> None:
        manifests.check_files(folder, manifest, below=str(Path(TOKENIZER).parent))
        self.parameters = Parameters.model_validate(manifest.parameters)
        self.end_tokens = frozenset(self.parameters.end_tokens)
        self._settings = settings
        self.tokenizer = read_tokenizer((folder / TOKENIZER).read_text(encoding="utf-8"))
        self._plain = Plain(self.tokenizer)
        path = folder / CHAT_TEMPLATE
        self._template = (
            ChatTemplate(path.read_text(encoding="utf-8"), self.parameters.special_tokens)
            if path.is_file()
            else None
        )

    @property
    def has_chat(self) -> bool:
        """Whether the model was trained for conversations."""
        return self._template is not None

    @property
    def context_tokens(self) -> int:
        """Most tokens of a prompt and its text."""
        return min(self._settings.max_context_tokens, self.parameters.context_length)

    def encode(self, text: str) -> list[int]:
        """The tokens of a prompt; what looks like a special token there is text.

        Raises:
            BadValue: it is empty, too long, or has characters that no text has.
        """
        known = read_text(text, max_characters=self._settings.max_text_characters)
        return list(self.tokenizer.encode(self._plain.text(known)).ids)

    def encode_chat(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """The tokens of a conversation, up to where the assistant's next message begins.

        Args:
            messages: each with its ``role`` and ``content``.

        Raises:
            BadValue: the model has no chat template, or the template refuses the messages.
        """
        if self._template is None:
            raise BadValue("the model has no chat template, so it continues texts only")
        try:
            text = self._template.render(self._plain.messages(messages))
        except TemplateError as error:
            raise BadValue(f"the model's chat template refuses them: {error}") from None
        known = read_text(text, max_characters=self._settings.max_text_characters)
        # The template writes the tokens that begin a text itself.
        return list(self.tokenizer.encode(known, add_special_tokens=False).ids)

    def check_tokens(self, tokens: Sequence[int]) -> None:
        """See whether *tokens* are some.

        Raises:
            BadValue: one is not in the vocabulary.
        """
        most = self.parameters.vocabulary_size - 1
        for token in tokens:
            if not 0 <= token <= most:
                raise BadValue(f"token {token}; 0 to {most} are accepted")
