# Your own examples, one folder per label: make model DATA=data. Empty: the starter's.
DATA ?=
# Trained weights for the network in src/model/network.py to start from, but for its head; PREPROCESS and
# SIZE say what their images were, where no file does. Empty: train from scratch.
BASE_MODEL ?=
SOURCE = $(if $(DATA),--data "$(DATA)") $(if $(BASE_MODEL),--base-model "$(BASE_MODEL)" \
	$(if $(PREPROCESS),--preprocess "$(PREPROCESS)") $(if $(SIZE),--size "$(SIZE)"))
