"""From data to a model version: train, evaluate, export, verify.

Run as ``python -m service.lifecycle``. The service itself imports nothing from here.
"""
