#{% include "makefile/build/pytorch.mk" %}#
BUILD_ARGS += --build-arg TORCH_INDEX="$(TORCH_INDEX)"
