"""How a call of the model server can fail. Knows nothing of protocols or of callers.

``server_connection.py`` raises these; ``upstream.py`` decides what becomes of each.
"""


class ServerError(Exception):
    """The model server gave no answer; the message is for the log.

    Args:
        detail: what happened, with what the server said.
    """

    may_ask_again = False
    """Another try may do better. A prediction changes nothing, so none does harm."""
    is_ill = True
    """It is a failure of the server, not of the request."""


class Unreachable(ServerError):
    """No connection was made, or it broke before an answer was complete."""

    may_ask_again = True


class Busy(ServerError):
    """The server takes no more for now: its queue is full, or the model is being loaded."""

    may_ask_again = True
    is_ill = False


class TimedOut(ServerError):
    """The answer was not complete when its time was over."""


class Failed(ServerError):
    """The server, or the model in it, raised."""

    may_ask_again = True


class Garbage(ServerError):
    """What came is not what the protocol, or the model's signature, says."""


class Refused(ServerError):
    """The server refuses the call: no such version, no such input, no token."""


class InputFailed(ServerError):
    """The model raised on this very input."""

    is_ill = False
