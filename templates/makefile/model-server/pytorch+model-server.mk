model-server: export MODEL_STORE = $(dir $(MODEL_DIR))model-store
model-server: install $(STARTER) ## run TorchServe, for "make serve" in another terminal
#{% include "makefile/archive/pytorch+model-server.mk" %}#
	$(BIN)/python model_server/serve.py

#{% include "makefile/model-server/image.mk" %}#
