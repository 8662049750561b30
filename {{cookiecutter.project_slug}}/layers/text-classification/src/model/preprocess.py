"""Your preprocessing: a text becomes tokens, the model's output an answer.

The rules are those of the model's tokenizer; training, the service and the tests all use them. No
HTTP and no machine-learning framework here.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model.schemas import LabelScore, Prediction
from service import manifest as manifests
from service.encoding import TOKENIZER, Encoder, EncoderParameters, Prepared, read_tokenizer
from service.errors import ModelFailed
from service.manifest import Arrays, Manifest, Signature, Tensor
from service.numerics import probabilities
from service.settings import Settings
from service.text import Value, read_text

__all__ = ["NAME", "Parameters", "Prepared", "Task"]

NAME = "text-classification"


class Parameters(EncoderParameters):
    """What a text must become; lies in the manifest as ``parameters``."""

    def signature(self, label_count: int) -> Signature:
        """The signature of a model that reads such texts."""
        logits = Tensor(name="logits", dtype="float32", shape=(None, label_count))
        return Signature(inputs=self.inputs, outputs=[logits])


class Task:
    """Reads texts and names what they are about.

    Args:
        folder: the version's; the tokenizer lies there.
        manifest: the model's; labels and ``parameters`` are read.
        settings: limits of a request and the size of an answer.

    Raises:
        OwnerError: the tokenizer is missing, or changed since the export.
    """

    def __init__(self, folder: Path, manifest: Manifest, settings: Settings) -> None:
        manifests.check_files(folder, manifest, below=TOKENIZER)
        parameters = Parameters.model_validate(manifest.parameters)
        self._encoder = Encoder(read_tokenizer(folder), parameters.max_length, settings.long_text)
        self._manifest = manifest
        self._labels = manifest.labels
        self._settings = settings

    def check_request(self, _values: Sequence[Value]) -> None:
        """Nothing to refuse: each text is limited by itself."""

    def preprocess(self, value: Value) -> Prepared:
        """Make one input of the model from a text.

        Raises:
            BadValue: *value* is no text, is empty or too long.
        """
        text = read_text(value, max_characters=self._settings.max_text_characters)
        return self._encoder.encode(text)

    def check(self, arrays: Arrays) -> None:
        """See whether *arrays* can be what :meth:`preprocess` gives.

        Raises:
            BadValue: they cannot.
        """
        self._encoder.check(arrays)

    def postprocess(self, prepared: Prepared, outputs: Arrays) -> Prediction:
        """Name what one text is about.

        Args:
            prepared: the text.
            outputs: ``{"logits": (labels,) float32}``, or what the manifest says.

        Raises:
            ModelFailed: the outputs do not fit the labels, or are not finite.
        """
        values = outputs[self._manifest.signature.outputs[0].name]
        if values.shape != (len(self._labels),) or not np.isfinite(values).all():
            raise ModelFailed("The model's output is not a finite score for every label.")
        scores = probabilities(values, self._manifest.scores)
        ranked = np.argsort(-scores, kind="stable")[: self._settings.top_k]
        top = [LabelScore(label=self._labels[i], score=float(scores[i])) for i in ranked]
        return Prediction(
            prediction=top[0].label, score=top[0].score, scores=top, truncated=prepared.truncated
        )
