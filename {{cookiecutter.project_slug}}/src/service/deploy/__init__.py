"""Brings a release to where it runs, and back. Needs Python, and ``docker`` or ``kubectl``."""
