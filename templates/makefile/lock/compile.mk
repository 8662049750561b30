COMPILE = $(PACKAGES) lock $(UV) pip compile --universal --generate-hashes --no-emit-index-url \
	--no-emit-find-links --python-version 3.11 --custom-compile-command "make lock" --quiet $(UPGRADE)
# What requirements-cuda.lock leaves out: requirements.lock has it.
LOCKED = $(shell sed -n 's/^\([a-z0-9-]*\)==.*/--no-emit-package \1/p' requirements.lock | sort -u)
