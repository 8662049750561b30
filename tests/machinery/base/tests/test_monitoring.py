"""What is looked at in a cluster is what the service counts, by the same names."""

import re
from pathlib import Path

from prometheus_client import Metric

from service.metrics import Metrics

MONITORING = Path(__file__).parents[1] / "deploy/kubernetes/components/monitoring"
NAME = re.compile(r"\b(?:service|process|python)_[a-z0-9_]+\b")
DERIVED = re.compile(r"^ +as: (\S+)$", re.MULTILINE)
"""In the adapter's rules: what a figure is called that it computes from others."""


def counted() -> dict[str, Metric]:
    """Every series that the service has, with the figure that it belongs to."""
    families = list(Metrics().registry.collect())
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
    return {
        family.name + suffix: family
        for family in families
        for suffix in suffixes.get(family.type, [""])
    }


def texts(pattern: str) -> dict[str, str]:
    """The files of the component whose names match *pattern*."""
    found = {path.name: path.read_text(encoding="utf-8") for path in MONITORING.rglob(pattern)}
    assert found
    return found


def asked(text: str) -> set[str]:
    """The series that *text* asks for."""
    return set(NAME.findall(text))


def computed() -> set[str]:
    """The metrics that the adapter computes from the service's."""
    return set(DERIVED.findall((MONITORING / "prometheus-adapter.yaml").read_text()))


def test_every_figure_that_is_asked_for_is_counted() -> None:
    known = counted().keys() | computed()
    for name, text in (texts("*.yaml") | texts("*.json")).items():
        assert asked(text) <= known, name


def test_every_figure_of_the_service_is_shown_on_a_dashboard() -> None:
    series = counted()
    shown = {series[name].name for text in texts("*.json").values() for name in asked(text)}
    own = {family.name for family in series.values() if family.name.startswith("service_")}

    assert own == {name for name in shown if name.startswith("service_")}


def test_replicas_are_scaled_on_a_figure_that_the_adapter_computes() -> None:
    scaled_on = asked((MONITORING / "autoscaling.yaml").read_text())

    assert scaled_on == computed()
    assert len(scaled_on) == 1
