"""The head on the encoder: one score for each label, for every token."""

from transformers import AutoModelForTokenClassification as AutoModelForTask

__all__ = ["AutoModelForTask"]
