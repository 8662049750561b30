"""Serves a machine-learning model over HTTP."""
# only: pytorch

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # ONNX Runtime reports to Microsoft else
# end
