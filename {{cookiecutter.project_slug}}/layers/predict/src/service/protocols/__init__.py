"""Protocols that clients and platforms share. Knows nothing of web frameworks."""
