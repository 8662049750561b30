"""The Flask application: routes and errors on one pipeline."""

from flask import Flask

from service.metrics import Metrics
from service.pipeline import Pipeline
from service.settings import Settings
from service.web.errors import register_errors
from service.web.handlers import Context
from service.web.middleware import Middleware
from service.web.model_views import model_views
from service.web.views import views


def create_app(pipeline: Pipeline, settings: Settings, metrics: Metrics) -> Flask:
    """The WSGI application that answers with *pipeline*."""
    app = Flask("service.web", static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False  # OPTIONS is not in the contract
    app.url_map.merge_slashes = False
    app.extensions["service"] = Context(pipeline, settings, metrics)
    app.register_blueprint(model_views)
    app.register_blueprint(views)
    register_errors(app)
    app.wsgi_app = Middleware(  # type: ignore[method-assign]  # Flask's documented way
        app.wsgi_app,
        metrics=metrics,
        max_body_bytes=settings.max_body_bytes,
        is_draining=lambda: pipeline.is_draining,
    )
    return app
