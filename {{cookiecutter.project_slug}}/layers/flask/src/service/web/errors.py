"""Exceptions -> problem+json."""

from flask import Flask, Response, request
from werkzeug.exceptions import MethodNotAllowed as WerkzeugMethodNotAllowed
from werkzeug.exceptions import NotFound as WerkzeugNotFound

from service.errors import CallerError, MethodNotAllowed, NotFound, Unexpected
from service.logs import log
from service.web.middleware import REQUEST_ID
from service.web.problems import to_problem
from service.web.routes import allowed_methods


def register_errors(app: Flask) -> None:
    """Answer every exception of *app* with a problem."""
    app.register_error_handler(CallerError, problem)
    app.register_error_handler(WerkzeugNotFound, not_found)
    app.register_error_handler(WerkzeugMethodNotAllowed, method_not_allowed)
    app.register_error_handler(Exception, unexpected)


def problem(error: CallerError) -> Response:
    """What the caller is told of *error*."""
    status, headers, body = to_problem(error, request.path, request.environ[REQUEST_ID])
    return Response(body, status, headers)


def not_found(_error: WerkzeugNotFound) -> Response:
    """No such route."""
    return problem(NotFound(f"There is no route {request.path[:100]!r}."))


def method_not_allowed(_error: WerkzeugMethodNotAllowed) -> Response:
    """The route has other methods."""
    allowed = allowed_methods(request.path)
    return problem(MethodNotAllowed(f"The method is {request.method}.", allowed=allowed))


def unexpected(_error: Exception) -> Response:
    """A bug in the service: the log has it."""
    log.exception("unexpected_error")
    return problem(Unexpected())
