BUILD_ARGS += --build-arg OVERLAY="$(OVERLAY)"
