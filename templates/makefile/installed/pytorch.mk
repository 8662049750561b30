$(INSTALLED): requirements.lock requirements-cuda.lock | $(UV)
	$(PACKAGES) install "$(TORCH_INDEX)"
