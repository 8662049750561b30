#{% include "makefile/lock/compile.mk" %}#

lock: | $(UV) ## write the locks; the newest versions with UPGRADE=--upgrade
	$(COMPILE) pyproject.toml --group train --group tracing --group dev -o requirements.lock
