"""The description of a route that answers with a text, whole or in events."""

from openapi_pydantic import Operation, PathItem, RequestBody, Response
from pydantic import BaseModel

from service.web.events import MEDIA_TYPE
from service.web.openapi_parts import TIMEOUT, media, problems
from service.web.problems import Problem


def text_route(
    name: str,
    summary: str,
    tag: str,
    *,
    request: type[BaseModel],
    answer: type[BaseModel],
    event: type[BaseModel],
    problem: type[Problem] = Problem,
    **responses: Response,
) -> PathItem:
    """A route that answers with a text.

    Args:
        name: the operation's.
        summary: what it does.
        tag: under which it is listed.
        request: what it is asked.
        answer: the whole answer.
        event: the data of one event, where a stream is asked for.
        problem: how errors are told.
        responses: other ways to answer, by status, as in ``s404=...``.
    """
    good = Response(
        description="The text; with `stream`, server-sent events, whose data is as described here. "
        "What goes wrong behind the first becomes an event `error`, whose data is a problem.",
        content={"application/json": media(answer), MEDIA_TYPE: media(event)},
    )
    others = {key.removeprefix("s"): value for key, value in responses.items()}
    return PathItem(
        post=Operation(
            operationId=name,
            summary=summary,
            tags=[tag],
            parameters=[TIMEOUT],
            requestBody=RequestBody(required=True, content={"application/json": media(request)}),
            responses={"200": good, **others, **problems(problem)},
        )
    )
