# What the build for GPUs needs beyond that.
	@sed -n 's/^\(tensorflow\)\(==[^ ]*\).*/\1[and-cuda]\2/p' requirements.lock | $(COMPILE) - --no-config \
		--no-annotate --constraint requirements.lock $(LOCKED) -o requirements-cuda.lock
