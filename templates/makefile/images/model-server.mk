# The images that are built, the model server's beside the service's, and those in production.
SERVER_IMAGE ?= $(IMAGE)-model-server
IMAGES = "$(IMAGE)" "$(SERVER_IMAGE)"
PRODUCTION_IMAGES = "$(PRODUCTION)" "$(if $(PRODUCTION),$(PRODUCTION)-model-server)"
# What the names of the model server's image and reports end with.
SUFFIX = $$([ "$$image" = "$(IMAGE)" ] || echo -model-server)
export SERVER_IMAGE
