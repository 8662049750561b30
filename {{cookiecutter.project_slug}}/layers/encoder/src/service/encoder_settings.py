"""Settings of the tasks that a BERT-class encoder does."""

from typing import Literal

from service.text_settings import TextSettings

MAX_BATCH_SIZE = 32


class EncoderSettings(TextSettings):
    """How texts are read."""

    long_text: Literal["truncate", "refuse"] = "truncate"
    """What becomes of a text with more tokens than the model reads."""
