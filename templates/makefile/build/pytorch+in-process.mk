#{% include "makefile/build/pytorch.mk" %}#
# 1: the image has PyTorch where ONNX is served, too, for a src/model/preprocess.py that imports it.
WITH_TORCH ?=
BUILD_ARGS += --build-arg TORCH_INDEX="$(TORCH_INDEX)" $(if $(WITH_TORCH),,--build-arg FORMAT="$$format")
# The locked onnxruntime knows CPUs alone, and what "pth" imports may be there for training only.
AVOID = $(if $(filter gpu,$(OVERLAY)),onnx pth)
