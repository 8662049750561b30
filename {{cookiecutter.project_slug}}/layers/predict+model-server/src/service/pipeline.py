"""Joins task and model: values in, predictions out.

Preprocessing and postprocessing run in the request's thread, wherever the model runs.
"""

import time

from service.inputs import Inputs
from service.owner import Prediction
from service.predictor import Predictor


class Pipeline(Predictor):
    """Answers predictions from the moment its model is ready."""

    def predict(self, inputs: Inputs, *, timeout_seconds: float) -> list[Prediction]:
        """Predict all *inputs* of one request.

        Raises:
            InvalidInput: one or more cannot be read; names each.
            NotReady, QueueFull, DeadlineExceeded, ModelFailed: as their names say.
        """
        deadline = time.monotonic() + timeout_seconds
        with self.metrics.preprocess_seconds.time():
            prepared = inputs.prepared(self.task.preprocess)
        outputs = self.run([each.arrays for each in prepared], deadline=deadline)
        return [
            self.task.postprocess(each, output)
            for each, output in zip(prepared, outputs, strict=True)
        ]
