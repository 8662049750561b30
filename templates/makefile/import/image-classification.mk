# A trained model for "make import-model": a file, a folder, or a file's address. Its labels, as a file or
# cat,dog. What a pixel becomes: imagenet, zero-one, minus-one-one, caffe, none, or a JSON file. The images'
# size, 224 or 224x160. logits or probabilities. A folder of images to answer for. The formats to export.
FROM ?=
LABELS ?=
PREPROCESS ?=
SIZE ?=
SCORES ?=
EXAMPLES ?=
FORMATS ?=

.PHONY: import-model
import-model: install ## serve a trained model as it is: make import-model FROM=FILE LABELS=labels.txt
	$(if $(FROM),,$(error FROM is empty. Name the file or folder of a model: make import-model FROM=model))
	$(BIN)/python -m service.lifecycle import "$(FROM)" --model-dir "$(MODEL_DIR)" $(strip \
		$(if $(MODEL_SHA256),--sha256 "$(MODEL_SHA256)") \
		$(if $(LABELS),--labels "$(LABELS)") $(if $(PREPROCESS),--preprocess "$(PREPROCESS)") \
		$(if $(SIZE),--size "$(SIZE)") $(if $(SCORES),--scores "$(SCORES)") \
		$(if $(EXAMPLES),--examples "$(EXAMPLES)") $(if $(FORMATS),--formats "$(FORMATS)") \
		$(if $(DATA),--data "$(DATA)"))
#{% include "makefile/archive/" ~ cookiecutter.backend ~ "+" ~ cookiecutter.serving ~ ".mk" ignore missing %}#

