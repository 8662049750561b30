"""The routes that call the model."""

MODEL_ROUTES: dict[str, tuple[str, ...]] = {
    "/generate": ("POST",),
    "/v1/models": ("GET", "HEAD"),
    "/v1/models/{name}": ("GET", "HEAD"),
    "/v1/completions": ("POST",),
    "/v1/chat/completions": ("POST",),
}
"""Path to methods, as in ``service.web.routes``."""
