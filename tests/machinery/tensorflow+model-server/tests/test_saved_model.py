"""What lies beside a SavedModel for TensorFlow Serving, and how the server is configured."""

from pathlib import Path

import pytest
import stand_in_configs
from google.protobuf import text_format
from model_servers import CONFIGS, image_flags
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2
from trained import make_model

from service import manifest as manifests
from service.framework import tf
from service.lifecycle.saved_model import WARM_UP


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("saved")) / "1"


def test_each_signature_is_warmed_by_a_request_that_fits(version: Path) -> None:
    signatures = tf.saved_model.load(str(version)).signatures
    warmed = []
    for record in tf.data.TFRecordDataset(str(version / WARM_UP)):
        request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        wanted = signatures[request.model_spec.signature_name].structured_input_signature[1]
        assert {name: array.dtype for name, array in inputs.items()} == {
            name: spec.dtype.as_numpy_dtype for name, spec in wanted.items()
        }
        assert all(wanted[name].shape.is_compatible_with(inputs[name].shape) for name in wanted)
        warmed.append(request.model_spec.signature_name)

    assert sorted(warmed) == sorted(signatures)


def test_the_warm_up_requests_are_files_of_the_manifest(version: Path) -> None:
    assert WARM_UP in manifests.read(version).files


def test_a_saved_model_needs_no_operation_that_only_python_has(version: Path) -> None:
    saved = SavedModel.FromString((version / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    nodes = [
        *graph.node,
        *(node for function in graph.library.function for node in function.node_def),
    ]

    assert not [node.op for node in nodes if "PyFunc" in node.op or node.op.startswith("Xla")]


def test_the_configuration_is_what_the_server_reads() -> None:
    models = text_format.Parse(
        (CONFIGS / "models.config").read_text(encoding="utf-8"),
        model_server_config_pb2.ModelServerConfig(),
    )
    batching = stand_in_configs.batching(CONFIGS / "batching.config")
    monitoring = stand_in_configs.monitoring(CONFIGS / "monitoring.config")

    (model,) = models.model_config_list.config
    assert model.name == Path(model.base_path).name
    assert model.model_version_policy.HasField("all")
    # It pads with the first number that it finds.
    assert not batching.pad_variable_length_inputs
    assert monitoring.prometheus_config.enable


def test_the_image_has_the_files_that_its_flags_name() -> None:
    copied = (CONFIGS / "Dockerfile").read_text(encoding="utf-8")
    named = [flag.rpartition("/etc/model_server/")[2] for flag in image_flags() if "/etc/" in flag]

    assert len(named) == 3
    for name in named:
        assert (CONFIGS / name).is_file()
        assert f"model_server/{name}" in copied
