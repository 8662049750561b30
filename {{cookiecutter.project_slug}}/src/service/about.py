"""Title, description and version of this service, as pyproject.toml has them."""

import tomllib
from pathlib import Path
from typing import Any

_PYPROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))

PROJECT: dict[str, Any] = _PYPROJECT["project"]
TITLE: str = _PYPROJECT["tool"]["service"]["title"]
BACKEND: str = _PYPROJECT["tool"]["service"]["backend"]
"""What the model is made with."""
