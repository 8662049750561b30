"""Serves a machine-learning model over HTTP."""
