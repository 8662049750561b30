	$(BIN)/python -m service.lifecycle.archive --model-dir "$(MODEL_DIR)"
