"""``requirements.lock`` fits ``pyproject.toml``."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
REQUIREMENTS = [
    *PYPROJECT["project"]["dependencies"],
    *(each for group in PYPROJECT["dependency-groups"].values() for each in group),
]
PINS = [Requirement(pin) for pin in re.findall(r"^[a-z0-9].*?(?= \\$|$)", LOCK, re.MULTILINE)]


def applies(requirement: Requirement) -> bool:
    """Whether *requirement* is for this machine."""
    return requirement.marker is None or requirement.marker.evaluate()


@pytest.mark.parametrize("line", [line for line in REQUIREMENTS if applies(Requirement(line))])
def test_a_requirement_has_one_pin_that_fits(line: str) -> None:
    requirement = Requirement(line)
    name = canonicalize_name(requirement.name)
    pins = [pin.specifier for pin in PINS if canonicalize_name(pin.name) == name and applies(pin)]

    assert len(pins) == 1, f'{line} has the pins {pins}; run "make lock"'
    version = str(pins[0]).removeprefix("==")
    assert requirement.specifier.contains(version), (
        f'{line} is locked to {version}; run "make lock"'
    )
