"""What every view needs: what the application works with, and replies as Django sends them."""

from django.http import HttpRequest, HttpResponse

from service.web.handlers import Context, Reply


def context(request: HttpRequest) -> Context:
    """What this application works with."""
    found: Context = request.META["service.context"]
    return found


def respond(reply: Reply) -> HttpResponse:
    """*reply* as Django sends it."""
    return HttpResponse(
        reply.body, status=reply.status, headers=reply.headers, content_type=reply.media_type
    )
