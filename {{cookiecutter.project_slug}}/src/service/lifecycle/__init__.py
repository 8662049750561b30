"""From data to a model version: train, evaluate, export, verify, fetch, compare.

Run as ``python -m service.lifecycle``. The service itself imports nothing from here.
"""
