"""Where PyTorch computes: the one place that chooses."""

import torch

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
