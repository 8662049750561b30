# The images that are built, and those in production.
IMAGES = "$(IMAGE)"
PRODUCTION_IMAGES = "$(PRODUCTION)"
