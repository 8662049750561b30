"""How a call of the model server can fail. Knows nothing of protocols or of callers.

The server's client raises these; ``upstream.py`` decides what a caller is told.
"""


class ServerError(Exception):
    """The model server gave no answer; the message is for the log, with what the server said."""

    is_ill = True
    """It is a failure of the server, not of the request."""


class Unreachable(ServerError):
    """No connection was made, or it broke before an answer was complete."""


class Busy(ServerError):
    """The server takes no more for now: its queue is full, or the model is being loaded."""

    is_ill = False


class TimedOut(ServerError):
    """The answer was not complete when its time was over."""


class Failed(ServerError):
    """The server, or the model in it, raised."""


class Garbage(ServerError):
    """The answer is not what the protocol, or the model's signature, says."""


class Refused(ServerError):
    """The server refuses the call: no such version, no such input, no token."""


class InputFailed(ServerError):
    """The model raised on this very input."""

    is_ill = False
