"""What the routes around the model answer: probes, metrics and pages.

No file of a page comes from another host.
"""

from importlib.resources import files
from mimetypes import guess_type
from pathlib import Path

from pydantic import BaseModel, Field

from service.errors import NotFound, NotReady, Stuck
from service.logs import log
from service.settings import PROJECT, TITLE
from service.smoke import Example, SmokeError, read_examples
from service.web.requests import Context, Reply, Request

_EXAMPLES = Path(__file__).parents[3] / "examples"
_SWAGGER_UI = files("offapi")


class Health(BaseModel):
    """The answer of a probe."""

    status: str


class ExampleFile(BaseModel):
    """A request of ``examples/``."""

    file: str = Field(description="Its content is at `/examples/{file}`.")
    route: str


class ModelCard(BaseModel):
    """The model that answers."""

    title: str
    description: str
    name: str
    version: int
    task: str
    starter: bool = Field(description="It is the one that came with the repository.")
    created_at: str
    labels: list[str]
    metrics: dict[str, float] = Field(description="On the examples held out from training.")
    # only: text-generation
    has_chat: bool = Field(description="It has a chat template.")
    # end
    examples: list[ExampleFile]


def livez(context: Context, _request: Request) -> Reply:
    """Is a restart needed?"""
    if not context.pipeline.is_live:
        raise Stuck("The model runs for longer than STUCK_SECONDS, or its thread has ended.")
    return Reply.of(Health(status="live"))


def readyz(context: Context, _request: Request) -> Reply:
    """Can requests be sent here?"""
    if context.pipeline.is_draining:
        raise NotReady("The service is about to stop.", retry_after_seconds=1)
    if not context.pipeline.is_ready:
        raise NotReady("The model is being loaded, or does not come back.", retry_after_seconds=1)
    return Reply.of(Health(status="ready"))


def metrics(context: Context, request: Request) -> Reply:
    """Metrics for Prometheus."""
    context.metrics.ready.set(context.pipeline.is_ready)
    return Reply(*context.metrics.render(request.header("Accept") or ""))


def model_card(context: Context, _request: Request) -> Reply:
    """What the model is."""
    manifest = context.pipeline.manifest
    return Reply.of(
        ModelCard(
            title=TITLE,
            description=PROJECT["description"],
            name=manifest.name,
            version=manifest.version,
            task=manifest.task,
            starter=manifest.starter,
            created_at=manifest.created_at,
            labels=manifest.labels,
            metrics=manifest.metrics,
            # only: text-generation
            has_chat=context.pipeline.task.has_chat,
            # end
            examples=[ExampleFile(file=each.path.name, route=each.route) for each in examples()],
        )
    )


def examples() -> list[Example]:
    """The requests of ``examples/``; none where they cannot be read."""
    try:
        return read_examples(_EXAMPLES)
    except SmokeError as error:
        log.warning("no_examples", error=str(error))
        return []


def example(_context: Context, request: Request) -> Reply:
    """A file of ``examples/``."""
    name = request.parameters["name"]
    for each in examples():
        if each.path.name == name:
            return Reply(each.path.read_bytes(), _media_type(name))
    raise NotFound(f"There is no example {name[:100]!r}.")


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
