"""Joins task and model: values in, predictions out.

Preprocessing and postprocessing run in the request's thread, wherever the model runs.
"""

import time
from collections.abc import Sequence

from service.errors import BadValue, FieldError, InvalidInput
from service.owner import Prediction, Prepared
from service.predictor import Predictor


class Pipeline(Predictor):
    """Answers predictions from the moment its model is ready."""

    def predict(
        self, values: Sequence[bytes | str], names: Sequence[str], *, timeout_seconds: float
    ) -> list[Prediction]:
        """Predict all *values* of one request.

        Args:
            values: what the task reads.
            names: where in the request each stands, for errors.
            timeout_seconds: how long the caller waits.

        Raises:
            InvalidInput: one or more cannot be read; names each.
            NotReady, QueueFull, DeadlineExceeded, ModelFailed: as their names say.
        """
        deadline = time.monotonic() + timeout_seconds
        with self.metrics.preprocess_seconds.time():
            prepared = self._preprocess(values, names)
        outputs = self.run([each.arrays for each in prepared], deadline=deadline)
        return [
            self.task.postprocess(each, output)
            for each, output in zip(prepared, outputs, strict=True)
        ]

    def _preprocess(self, values: Sequence[bytes | str], names: Sequence[str]) -> list[Prepared]:
        prepared = []
        wrong = []
        for name, value in zip(names, values, strict=True):
            try:
                prepared.append(self.task.preprocess(value))
            except BadValue as error:
                wrong.append(FieldError(name, str(error)))
        if wrong:
            raise InvalidInput(f"{wrong[0].field}: {wrong[0].detail}", fields=wrong)
        return prepared
