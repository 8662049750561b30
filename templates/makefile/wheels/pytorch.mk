	$(if $(filter http%,$(TORCH_INDEX)),sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements.lock \
		| $(DOWNLOAD) --index-url "$(TORCH_INDEX)" --retries 0 --timeout 5 \
		|| echo "That index does not have torch; it comes from where pip finds packages.")
