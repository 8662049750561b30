"""The Flask application: routes and errors on one pipeline."""

from functools import partial

from flask import Flask, Response, request
from werkzeug import exceptions

from service.errors import CallerError, MethodNotAllowed, NotFound, Unexpected
from service.logs import log
from service.metrics import Metrics
from service.pipeline import Pipeline
from service.settings import Settings
from service.web.middleware import Middleware
from service.web.openapi import Route
from service.web.problems import to_problem
from service.web.requests import REQUEST_ID, ROUTE, Context, Request
from service.web.routes import ROUTES, route_of


def create_app(pipeline: Pipeline, settings: Settings, metrics: Metrics) -> Flask:
    """The WSGI application that answers with *pipeline*."""
    app = Flask("service.web", static_folder=None)
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
    app.register_error_handler(CallerError, refuse)
    app.register_error_handler(exceptions.NotFound, not_found)
    app.register_error_handler(exceptions.MethodNotAllowed, method_not_allowed)
    app.register_error_handler(Exception, unexpected)
    app.wsgi_app = Middleware(  # type: ignore[method-assign]  # Flask's documented way
        app.wsgi_app,
        metrics=metrics,
        max_body_bytes=settings.max_body_bytes,
        is_draining=lambda: pipeline.is_draining,
    )
    return app


def answer(context: Context, route: Route, **parameters: str) -> Response:
    """What *route* answers."""
    request.environ[ROUTE] = route.path
    reply = route.handler(context, Request(request.environ, parameters))
    return Response(reply.body, reply.status, reply.headers, content_type=reply.media_type)


def refuse(error: CallerError) -> Response:
    """What the caller is told of *error*."""
    status, headers, body = to_problem(error, request.path, request.environ[REQUEST_ID])
    return Response(body, status, headers)


def not_found(_error: exceptions.NotFound) -> Response:
    """No such route."""
    return refuse(NotFound(f"There is no route {request.path[:100]!r}."))


def method_not_allowed(_error: exceptions.MethodNotAllowed) -> Response:
    """The route has other methods."""
    route = route_of(request.path)
    allowed = route.methods if route else ()
    return refuse(MethodNotAllowed(f"The method is {request.method}.", allowed=allowed))


def unexpected(_error: Exception) -> Response:
    """A bug in the service: the log has it."""
    log.exception("unexpected_error")
    return refuse(Unexpected())
