"""Exceptions -> problem+json."""

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse

from service.errors import CallerError, MethodNotAllowed, NotFound, Unexpected
from service.logs import log
from service.web.middleware import REQUEST_ID
from service.web.problems import to_problem
from service.web.routes import allowed_methods


class ProblemMiddleware:
    """Answers every exception of a view with a problem.

    Args:
        get_response: the rest of the application.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer *request*."""
        return self._get_response(request)

    def process_view(self, request: HttpRequest, *_view: Any) -> HttpResponse | None:
        """Refuse a method that the route does not have."""
        allowed = allowed_methods(request.path)
        if request.method in allowed:
            return None
        error = MethodNotAllowed(f"The method is {request.method}.", allowed=allowed)
        return problem(request, error)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """What the caller is told of *error*; a bug goes to ``unexpected``."""
        return problem(request, error) if isinstance(error, CallerError) else None


def not_found(request: HttpRequest, exception: Http404) -> HttpResponse:  # noqa: ARG001
    """No such route."""
    return problem(request, NotFound(f"There is no route {request.path[:100]!r}."))


def unexpected(request: HttpRequest) -> HttpResponse:
    """A bug in the service: the log has it."""
    log.exception("unexpected_error")
    return problem(request, Unexpected())


def problem(request: HttpRequest, error: CallerError) -> HttpResponse:
    """What the caller is told of *error*."""
    status, headers, body = to_problem(error, request.path, request.META[REQUEST_ID])
    return HttpResponse(body, status=status, headers=headers)
