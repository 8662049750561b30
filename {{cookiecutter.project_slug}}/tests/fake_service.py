"""``python -m service``, with the model that is no model."""

from functools import partial
from typing import TYPE_CHECKING

from fakes import fake_model

from service import server
from service.__main__ import main
from service.pipeline import Pipeline
from service.web import wsgi
from service.web.versions import Versions

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


def application() -> "WSGIApplication":
    """The application that the serving process loads."""
    model = fake_model()
    versions = partial(
        Versions, make=lambda settings, metrics, fail: Pipeline(settings, metrics, fail, model)
    )
    setattr(wsgi, "Versions", versions)  # noqa: B010  # mypy: it is imported there
    return wsgi.application()


if __name__ == "__main__":
    server.APPLICATION = "fake_service:application"
    main()
