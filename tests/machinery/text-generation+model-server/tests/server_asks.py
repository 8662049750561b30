"""What the tests of a model server's client ask."""

from model.preprocess import Task
from service.model_server import ModelServer
from service.sampling import Sampling
from service.texts import FinishReason, Prompt

SECONDS = 20.0


def prompt(task: Task, text: str, most: int = 12, seed: int = 0, **how: float) -> Prompt:
    """A text to go on with, to its end; the most likely way, unless *how* says otherwise."""
    sampling = Sampling(**how, seed=seed)  # type: ignore[arg-type]  # top_k is a whole number
    return Prompt(task.encode(text), sampling, most, frozenset())


def answer(client: ModelServer, asked: Prompt) -> list[int | FinishReason]:
    """The tokens, and the reason for the end."""
    return list(client.generate(asked, timeout_seconds=SECONDS))
