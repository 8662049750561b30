server-image: $(STARTER) | $(UV) ## build SERVER_IMAGE, with the model inside
	$(PACKAGES) build docker build --tag "$(SERVER_IMAGE)" $(SERVER_BUILD_ARGS) \
		$(call from_mirror,model_server/Dockerfile) .

.PHONY: model-server server-image
image: server-image

