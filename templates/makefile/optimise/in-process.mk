# Whether "make model" and "make import-model" let the format that is clearly the fastest here be served. 0: no.
export OPTIMISE ?=

.PHONY: optimise
optimise: install $(STARTER) ## measure the formats of the model on this machine, and serve the fastest
	$(BIN)/python -m service.lifecycle optimise --model-dir "$(MODEL_DIR)"

