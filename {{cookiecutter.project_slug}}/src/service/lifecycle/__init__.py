"""From data to a model version: train, evaluate, export, verify, fetch, compare.

Run as ``python -m service.lifecycle``. What the owner has to put right is an ``OwnerError``.
"""
