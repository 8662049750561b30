#{% include "makefile/build/pytorch.mk" %}#
SERVER_BUILD_ARGS = --file model_server/Dockerfile $(FROM_WHEELS) --build-arg TORCH_INDEX="$(TORCH_INDEX)"
