"""KerasHub, imported behind TensorFlow, whose start-up chatter is off by then."""

from service.framework import keras  # isort: split

import keras_hub

__all__ = ["keras", "keras_hub"]
