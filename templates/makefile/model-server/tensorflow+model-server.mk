model-server: server-image ## run TensorFlow Serving in Docker, for "make serve" in another terminal
	docker run --rm --init --publish 127.0.0.1:8500:8500 --publish 127.0.0.1:8501:8501 \
		--volume "$(abspath $(MODEL_DIR)):/models/default:ro" \
		$(if $(filter gpu,$(OVERLAY)),--gpus all --env DEVICE=cuda) "$(SERVER_IMAGE)"

#{% include "makefile/model-server/image.mk" %}#
