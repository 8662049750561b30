"""The routes that call the model."""

MODEL_ROUTES: dict[str, tuple[str, ...]] = {
    "/predict": ("POST",),
    "/v2": ("GET", "HEAD"),
    "/v2/health/live": ("GET", "HEAD"),
    "/v2/health/ready": ("GET", "HEAD"),
    "/v2/models/{name}": ("GET", "HEAD"),
    "/v2/models/{name}/ready": ("GET", "HEAD"),
    "/v2/models/{name}/infer": ("POST",),
    "/v2/models/{name}/versions/{version}": ("GET", "HEAD"),
    "/v2/models/{name}/versions/{version}/ready": ("GET", "HEAD"),
    "/v2/models/{name}/versions/{version}/infer": ("POST",),
}
"""Path to methods, as in ``service.web.routes``."""
