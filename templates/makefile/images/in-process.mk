# The images that are built, and those in production.
IMAGES = "$(IMAGE)"
PRODUCTION_IMAGES = "$(PRODUCTION)"
# What the image holds of MODEL_DIR: the version and the format that are served, as the service would
# choose them. Formats in AVOID are left to others.
MODEL_VERSION ?= $(shell sed -n 's/^MODEL_VERSION=//p' .env 2>/dev/null)
MODEL_FORMAT ?= $(shell sed -n 's/^MODEL_FORMAT=//p' .env 2>/dev/null)
AVOID =
PACK = format=$$($(BIN)/python tools/pack.py "$(MODEL_DIR)" build/image --version "$(MODEL_VERSION)" \
	--format "$(MODEL_FORMAT)" --avoid "$(AVOID)") &&
BUILD_ARGS += --build-context models=build/image
