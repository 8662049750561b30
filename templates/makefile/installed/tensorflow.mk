$(INSTALLED): requirements.lock | $(UV)
	$(PACKAGES) install
