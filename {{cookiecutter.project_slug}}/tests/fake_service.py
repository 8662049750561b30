"""``python -m service``, with the model that is no model."""

from typing import TYPE_CHECKING

from fakes import fake_model

from service import server, versions
from service.__main__ import main
from service.pipeline import Pipeline

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


def application() -> "WSGIApplication":
    """The application that the serving process loads."""
    model = fake_model()
    return versions.application(
        lambda settings, metrics, on_failure: Pipeline(settings, metrics, on_failure, model)
    )


if __name__ == "__main__":
    server.APPLICATION = "fake_service:application"
    main()
