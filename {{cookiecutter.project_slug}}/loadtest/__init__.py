"""Does a running service keep up? ``python -m loadtest URL`` calls it from several clients at once.

Standard library alone, like the smoke test, whose examples it sends.
"""
