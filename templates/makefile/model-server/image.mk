server-image: $(STARTER) | $(UV) ## build SERVER_IMAGE, with the model inside
	$(PACKAGES) build docker build --tag "$(SERVER_IMAGE)" $(SERVER_BUILD_ARGS) .

.PHONY: model-server server-image
image: server-image

