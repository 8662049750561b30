"""The ``tools/packages.py`` of every repository, as a module."""

import importlib.util
from typing import Any

from matrix import SKELETON


def _load() -> Any:
    path = SKELETON / "tools" / "packages.py"
    spec = importlib.util.spec_from_file_location("packages", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


packages = _load()
