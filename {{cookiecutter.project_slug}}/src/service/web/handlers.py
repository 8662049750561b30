"""What the routes around the model answer: probes, metrics and pages.

No file of a page comes from another host.
"""

from importlib.resources import files
from mimetypes import guess_type

from pydantic import BaseModel

from service.errors import NotFound, NotReady, Stuck
from service.metrics import CONTENT_TYPE
from service.web.requests import Context, Reply, Request

_SWAGGER_UI = files("offapi")


class Health(BaseModel):
    """The answer of a probe."""

    status: str


def livez(context: Context, _request: Request) -> Reply:
    """Is a restart needed?"""
    check_live(context)
    return Reply.of(Health(status="live"))


def readyz(context: Context, _request: Request) -> Reply:
    """Can requests be sent here?"""
    check_ready(context)
    return Reply.of(Health(status="ready"))


def check_live(context: Context) -> None:
    """Raise ``Stuck`` when a restart would help."""
    if not context.pipeline.is_live:
        raise Stuck("The model runs for longer than STUCK_SECONDS, or its thread has ended.")


def check_ready(context: Context) -> None:
    """Raise ``NotReady`` when requests should go elsewhere."""
    if context.pipeline.is_draining:
        raise NotReady("The service is about to stop.", retry_after_seconds=1)
    if not context.pipeline.is_ready:
        raise NotReady("The model is being loaded.", retry_after_seconds=1)


def metrics(context: Context, _request: Request) -> Reply:
    """Metrics for Prometheus."""
    context.metrics.ready.set(context.pipeline.is_ready)
    return Reply(context.metrics.render(), CONTENT_TYPE)


def page(_context: Context, _request: Request) -> Reply:
    """A page to try the model."""
    return _file("index.html")


def docs(_context: Context, _request: Request) -> Reply:
    """This description, to read."""
    return _file("docs.html")


def static(_context: Context, request: Request) -> Reply:
    """A file of the pages."""
    return _file(request.parameters["name"])


def _file(name: str) -> Reply:
    try:
        media_type, body = _FILES[name]
    except KeyError:
        raise NotFound(f"There is no file {name[:100]!r}.") from None
    return Reply(body, media_type, headers={"Cache-Control": "public, max-age=300"})


def _media_type(name: str) -> str:
    media_type = guess_type(name)[0] or "application/octet-stream"
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


_FILES = {
    each.name: (_media_type(each.name), each.read_bytes())
    for each in files("service.web").joinpath("static").iterdir()
    if each.is_file()
} | {
    name: (_media_type(name), _SWAGGER_UI.joinpath(source).read_bytes())
    for name, source in (
        ("swagger-ui.js", "swagger_bundle.js"),
        ("swagger-ui.css", "swagger_style.css"),
    )
}
"""Name -> media type and content, read once."""
