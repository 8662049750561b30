"""A SavedModel, as TensorFlow Serving loads it: with what it batches, and requests to warm it."""

from pathlib import Path
from typing import Any

from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog, PredictLog

from service.framework import tf
from service.lifecycle.graphs import Graph, graphs
from service.manifest import Signature
from service.owner import Network, Parameters
from service.runtime import quiet

WARM_UP = "assets.extra/tf_serving_warmup_requests"
"""TensorFlow Serving runs these before it reports a version as available
(https://www.tensorflow.org/tfx/serving/saved_model_warmup)."""


def to_saved_model(
    network: Network, parameters: Parameters, signature: Signature, path: Path
) -> None:
    """A SavedModel with the signature's names, and one signature for each kind of batch.

    TensorFlow Serving batches requests of one signature, and those must have equal shapes: what it
    pads with where they differ is the first number that it finds
    (``batching_util.cc``), which is no padding for a mask.
    """
    found = graphs(network, parameters, signature)
    module = tf.Module()
    module.network = network  # so that its variables are saved
    # What layers that are random in training draw from: Keras keeps it out of TensorFlow's sight.
    module.seeds = [v.value for v in network.variables if "seed_" in getattr(v, "path", "")]
    with quiet():
        tf.saved_model.save(
            module, str(path), signatures={name: graph.function for name, graph in found.items()}
        )
    _write_warm_up(found, path / WARM_UP)


def _write_warm_up(found: dict[str, Graph], path: Path) -> None:
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as file:
        for name, graph in found.items():
            request = PredictRequest(model_spec=ModelSpec(name="warm-up", signature_name=name))
            for key, array in graph.example.items():
                request.inputs[key].CopyFrom(_tensor(array))
            log = PredictionLog(predict_log=PredictLog(request=request))
            file.write(log.SerializeToString())


def _tensor(array: Any) -> Any:
    return tf.make_tensor_proto(array)
