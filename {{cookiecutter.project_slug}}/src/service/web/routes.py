"""The routes and their methods: one table for every web framework, the docs and the metrics."""

import re

from service.web.model_routes import MODEL_ROUTES

ROUTES: dict[str, tuple[str, ...]] = {
    "/": ("GET", "HEAD"),
    **MODEL_ROUTES,
    "/livez": ("GET", "HEAD"),
    "/readyz": ("GET", "HEAD"),
    "/metrics": ("GET", "HEAD"),
    "/openapi.json": ("GET", "HEAD"),
    "/docs": ("GET", "HEAD"),
}
"""Path to methods; a name in braces matches any part between two slashes."""

STATIC = "/static/"
"""Prefix of the pages' own files."""

_PATTERNS = [
    (re.compile(re.sub(r"\{\w+\}", "[^/]+", route)), route) for route in ROUTES if "{" in route
]


def route_of(path: str) -> str | None:
    """The route that *path* belongs to."""
    if path in ROUTES:
        return path
    return next((route for pattern, route in _PATTERNS if pattern.fullmatch(path)), None)


def allowed_methods(path: str) -> list[str]:
    """The methods that the route of *path* has."""
    if path.startswith(STATIC):
        return ["GET", "HEAD"]
    route = route_of(path)
    return list(ROUTES[route]) if route else []
