$(INSTALLED): requirements.lock requirements-cuda.lock | $(UV)
	$(BIN)/python tools/pytorch.py "$(VENV)" "$(TORCH_INDEX)"
	$(PACKAGES) install
