#{% include "makefile/lock/compile.mk" %}#

lock: | $(UV) ## write the locks; the newest versions with UPGRADE=--upgrade
	$(COMPILE) pyproject.toml --group train --group tracing --group dev -o requirements.lock
# Without hashes for torch: TORCH_INDEX has builds of its own.
	awk '/^torch==/ {torch = 1; sub(/ *\\$$/, ""); print; next} /^[^ ]/ {torch = 0} !(torch && /--hash=/)' \
		requirements.lock > requirements.lock.new
	mv requirements.lock.new requirements.lock
# What the CUDA build needs beyond that.
	@sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements.lock | $(COMPILE) - --no-config --no-annotate \
		$(LOCKED) -o requirements-cuda.lock
