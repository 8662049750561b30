"""The routes and their methods: one table for every web framework, the docs and the figures."""

ROUTES: dict[str, tuple[str, ...]] = {
    "/": ("GET", "HEAD"),
    "/predict": ("POST",),
    "/livez": ("GET", "HEAD"),
    "/readyz": ("GET", "HEAD"),
    "/metrics": ("GET", "HEAD"),
    "/openapi.json": ("GET", "HEAD"),
    "/docs": ("GET", "HEAD"),
}

STATIC = "/static/"
"""Prefix of the pages' own files."""


def allowed_methods(path: str) -> list[str]:
    """The methods that a route has."""
    return list(ROUTES.get(path, ("GET", "HEAD") if path.startswith(STATIC) else ()))
