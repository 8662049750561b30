DATA ?=
# The checkpoint to start from, a folder or a name on the Hugging Face hub. Empty: train from scratch.
BASE_MODEL ?=
SOURCE = $(if $(DATA),--data "$(DATA)") $(if $(BASE_MODEL),--base-model "$(BASE_MODEL)")
