"""What every view needs: what the application works with, and replies as Flask sends them."""

from flask import Response, current_app

from service.web.handlers import Context, Reply


def context() -> Context:
    """What this application works with."""
    found: Context = current_app.extensions["service"]
    return found


def respond(reply: Reply) -> Response:
    """*reply* as Flask sends it."""
    return Response(reply.body, reply.status, reply.headers, content_type=reply.media_type)
