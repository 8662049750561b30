# Another image of TensorFlow Serving. Empty: the one that model_server/Dockerfile names, for OVERLAY=gpu
# its neighbour for GPUs.
TENSORFLOW_SERVING ?= $(if $(filter gpu,$(OVERLAY)),$(addsuffix /,$(MIRROR))$(shell \
	sed -n 's/^FROM \([^ @]*\).* AS tensorflow-serving/\1-gpu/p' model_server/Dockerfile))
SERVER_BUILD_ARGS = --file model_server/Dockerfile \
	$(if $(TENSORFLOW_SERVING),--build-context "tensorflow-serving=docker-image://$(TENSORFLOW_SERVING)")
