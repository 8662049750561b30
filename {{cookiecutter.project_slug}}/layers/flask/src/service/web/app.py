"""The Flask application: the routes on one pipeline."""

from functools import partial
from typing import NoReturn

from flask import Flask, Response, request
from werkzeug import exceptions

from service.errors import MethodNotAllowed, NotFound
from service.metrics import Metrics
from service.pipeline import Pipeline
from service.settings import Settings
from service.web.middleware import Middleware
from service.web.openapi import Route
from service.web.requests import ROUTE, Context, Request
from service.web.routes import ROUTES, route_of


def create_app(pipeline: Pipeline, settings: Settings, metrics: Metrics) -> Flask:
    app = Flask("service.web", static_folder=None)
    app.config["PROPAGATE_EXCEPTIONS"] = True  # the middleware answers them
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False  # OPTIONS is not in the contract
    app.url_map.merge_slashes = False
    context = Context(pipeline, settings, metrics)
    for route in ROUTES:
        app.add_url_rule(
            route.path.replace("{", "<").replace("}", ">"),
            endpoint=route.operation,
            view_func=partial(answer, context, route),
            methods=[route.method],
        )
    app.register_error_handler(exceptions.NotFound, not_found)
    app.register_error_handler(exceptions.MethodNotAllowed, method_not_allowed)
    app.wsgi_app = Middleware(  # type: ignore[method-assign]  # Flask's documented way
        app.wsgi_app,
        metrics=metrics,
        is_draining=lambda: pipeline.is_draining,
        model=pipeline.model_version,
    )
    return app


def answer(context: Context, route: Route, **parameters: str) -> Response:
    request.environ[ROUTE] = route.path
    reply = route.handler(context, Request(request.environ, parameters))
    return Response(reply.body, reply.status, reply.headers, content_type=reply.media_type)


def not_found(_error: exceptions.NotFound) -> NoReturn:
    raise NotFound(f"There is no route {request.path[:100]!r}.")


def method_not_allowed(_error: exceptions.MethodNotAllowed) -> NoReturn:
    route = route_of(request.path)
    allowed = route.methods if route else ()
    raise MethodNotAllowed(f"The method is {request.method}.", allowed=allowed)
