# A trained checkpoint: its folder, or its name on the Hugging Face hub.
FROM ?=

.PHONY: import-model
import-model: ## serve a trained checkpoint as it is: make import-model FROM=folder-or-hub-name
	$(if $(FROM),,$(error FROM is empty. Name a folder, or a name on the hub: make import-model FROM=folder))
	$(MAKE) model BASE_MODEL="$(FROM)" DATA= MODEL_FROM=

