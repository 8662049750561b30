"""Your model, as the service uses it: the one place where ``service`` imports ``model``."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from model.preprocess import CHAT_TEMPLATE, NAME, TOKENIZER, Parameters, Task
from model.schemas import GenerateEvent, GenerateRequest, GenerateResponse, Usage

if TYPE_CHECKING:
    from model import data, network
    from model.network import Network


def __getattr__(name: str) -> Any:
    """``data``, ``network`` and ``Network``, imported when first used: serving needs none."""
    if name == "Network":
        return import_module("model.network").Network
    if name in {"data", "network"}:
        return import_module(f"model.{name}")
    raise AttributeError(name)


__all__ = [
    "CHAT_TEMPLATE",
    "NAME",
    "TOKENIZER",
    "GenerateEvent",
    "GenerateRequest",
    "GenerateResponse",
    "Network",
    "Parameters",
    "Task",
    "Usage",
    "data",
    "network",
]
