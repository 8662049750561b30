# Where PyTorch's CPU build is; where that does not answer, torch comes from where pip finds packages.
# Empty: from there at once, for Linux on PyPI the CUDA build with NVIDIA's packages. "cuda": no other.
TORCH_INDEX ?= $(if $(filter gpu,$(OVERLAY)),cuda,https://download.pytorch.org/whl/cpu)
