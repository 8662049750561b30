lock: | $(UV) ## write requirements.lock; the newest versions with UPGRADE=--upgrade
	$(PACKAGES) lock $(UV) pip compile pyproject.toml --group train --group dev --universal \
		--generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 \
		--custom-compile-command "make lock" $(UPGRADE) --quiet -o requirements.lock
