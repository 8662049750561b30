# Another image of TensorFlow Serving. Empty: the one that model_server/Dockerfile names.
TENSORFLOW_SERVING ?=
SERVER_BUILD_ARGS = --file model_server/Dockerfile \
	$(if $(TENSORFLOW_SERVING),--build-context "tensorflow-serving=docker-image://$(TENSORFLOW_SERVING)")
