"""The head on the encoder: one score for each label, for the text as a whole."""

from transformers import AutoModelForSequenceClassification as AutoModelForTask

__all__ = ["AutoModelForTask"]
