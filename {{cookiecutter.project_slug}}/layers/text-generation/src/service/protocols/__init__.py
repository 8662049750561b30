"""Protocols that clients of other services speak; know nothing of web frameworks."""
