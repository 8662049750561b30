"""Settings, ``.env.example`` and the README's table say the same."""

import re
from pathlib import Path

import pytest

from service.errors import OwnerError
from service.settings import Settings, read_settings

ROOT = Path(__file__).parents[2]


def defaults() -> dict[str, str]:
    """Every setting and its default, as the environment would have it."""
    fields = Settings.model_fields
    return {
        name.upper(): "" if field.default is None else str(field.default)
        for name, field in fields.items()
    }


def test_the_example_has_every_setting_with_its_default() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    assert example == defaults()


def test_the_readme_has_every_setting_with_its_default() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([A-Z_]+)` \| (?:`(.*?)`)? ?\|", readme, re.MULTILINE)

    assert dict(rows) == defaults()


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("MAX_BODY_BYTES", "")

    settings = read_settings()

    assert settings.port == 9000
    assert settings.max_body_bytes == 10 * 1024 * 1024


def test_a_value_that_is_not_accepted_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "http")

    with pytest.raises(OwnerError, match=r"PORT is 'http': .* integer"):
        read_settings()
