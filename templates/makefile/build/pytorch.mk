# Where PyTorch's CPU build is; where that does not answer, torch comes from where pip finds packages.
# Empty: from there at once, for Linux on PyPI the CUDA build with NVIDIA's packages, as for OVERLAY=gpu.
TORCH_INDEX ?= $(if $(filter gpu,$(OVERLAY)),,https://download.pytorch.org/whl/cpu)
