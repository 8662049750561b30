"""The alerts, asked by Prometheus' own tests of rules: what calls a person, and what does not."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from bakes import DEFAULT_SLUG, Baked
from matrix import Combination, executed, one_per
from shell import finished

ROWS = one_per("task")
RULES = "deploy/kubernetes/components/monitoring/alerts.yaml"


@dataclass
class Case:
    """What is measured each minute, and what follows.

    Args:
        series: by name, values in Prometheus' notation.
        minute: when the alerts are looked at.
        expected: those that fire then, and no others.
    """

    series: dict[str, str]
    minute: int
    expected: set[str]


def pods(values: list[str], job: str = DEFAULT_SLUG, namespace: str = "live") -> dict[str, str]:
    """Series of one pod for each of *values*, which says when it is ready; ``_``: it is gone."""
    found = {}
    for number, ready in enumerate(values):
        where = f'job="{job}",namespace="{namespace}",pod="{number}"'
        found[f"service_ready{{{where}}}"] = ready
        found[f"up{{{where}}}"] = re.sub(r"\b0", "1", ready)
    return found


def requests(good: float, bad: float, minutes: int, route: str = "/predict") -> dict[str, str]:
    """Series of so many requests a minute, of which *bad* fail."""
    where = f'job="{DEFAULT_SLUG}",namespace="live",route="{route}"'
    return {
        f'service_requests_total{{{where},status="200"}}': f"0+{good}x{minutes}",
        f'service_requests_total{{{where},status="503"}}': f"0+{bad}x{minutes}",
    }


READY = pods(["1x1000"] * 3)
SLOW = {
    f'service_request_seconds_bucket{{job="{DEFAULT_SLUG}",namespace="live",{of}}}': values
    for of, values in {
        'route="/predict",le="0.5"': "0+90x60",
        'route="/predict",le="2.5"': "0+100x60",
        'route="/predict",le="+Inf"': "0+100x60",
        'route="other",le="0.5"': "0+0x60",
        'route="other",le="+Inf"': "0+9x60",
    }.items()
}
OVER = requests(80, 20, 99) | {
    name: "0+20x90 1800+0x9" for name in requests(0, 0, 0) if "503" in name
}
CASES = {
    "nothing is wrong": Case(READY | requests(1000, 1, 400), 400, set()),
    "all pods are gone": Case(pods(["1x30 stale"] * 2), 33, {"ServiceNotReady"}),
    "all pods say that they are not ready": Case(pods(["1x30 0x30"] * 2), 33, {"ServiceNotReady"}),
    "all scrapes fail": Case(
        {name: "1x30 0x30" if name[0] == "u" else "1x30 stale" for name in READY},
        33,
        {"ServiceNotReady"},
    ),
    "all pods are gone for hours": Case(pods(["1x30 stale"] * 2), 200, {"ServiceMissing"}),
    "one namespace of two has lost its pods": Case(
        READY | pods(["1x30 stale"], namespace="staging"), 33, {"ServiceNotReady"}
    ),
    "nothing was ever there": Case({'up{job="x"}': "1x60"}, 15, {"ServiceMissing"}),
    "the first load takes five minutes": Case(pods(["0x5 1x60"] * 2), 5, set()),
    "the first load never ends": Case(
        pods(["0x60"] * 2), 12, {"ServiceMissing", "ReplicasNotReady"}
    ),
    "pods are replaced one by one": Case(
        pods(["1x30 stale", "1x31 stale", "_x29 0x1 1x30", "_x30 0x1 1x30"]), 33, set()
    ),
    "two of three are not ready": Case(
        pods(["1x60", "1x30 0x30", "1x30 0x30"]), 45, {"ReplicasNotReady"}
    ),
    "one of three is not ready": Case(pods(["1x60", "1x60", "1x30 0x30"]), 45, set()),
    "another service is down": Case(
        READY | pods(["1x30 0x30", "1x30 stale"], "service") | pods(["1x30 0x30"], "billing"),
        45,
        set(),
    ),
    "a fifth of the requests fail": Case(
        READY | requests(80, 20, 400), 90, {"ErrorsFast", "ErrorsSlow"}
    ),
    "a twentieth fails for hours": Case(READY | requests(95, 5, 400), 395, {"ErrorsSlow"}),
    "a few of a thousand fail": Case(READY | requests(997, 3, 400), 395, set()),
    "all of few requests fail": Case(READY | requests(0, 0.5, 400), 395, set()),
    "probes are answered by 503": Case(READY | requests(0, 90, 400, "/readyz"), 395, set()),
    "the errors ended nine minutes ago": Case(READY | OVER, 99, {"ErrorsSlow"}),
    "one in ten takes more than a second": Case(READY | SLOW, 50, {"PredictionsSlow"}),
}


@pytest.fixture(scope="module")
def promtool() -> str:
    """Prometheus' own tool."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed, so no alert was tested")
    return found


@pytest.fixture(scope="module")
def rules(baked: Baked) -> Callable[[Combination], list[dict[str, object]]]:
    """A function that gives the rules of a combination."""

    def of(row: Combination) -> list[dict[str, object]]:
        told = yaml.safe_load((baked(row) / RULES).read_text(encoding="utf-8"))
        found: list[dict[str, object]] = told["spec"]["groups"]
        return found

    return of


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_fires(
    case: Case,
    promtool: str,
    rules: Callable[[Combination], list[dict[str, object]]],
    tmp_path: Path,
) -> None:
    groups = rules(executed("github-actions"))
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    fired = 'count by (alertname) (ALERTS{alertstate="firing"}) > bool 0'
    samples = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(case.expected)]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": told} for name, told in case.series.items()],
        "promql_expr_test": [
            {"expr": fired, "eval_time": f"{case.minute}m", "exp_samples": samples}
        ],
    }
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(document))

    status, said = finished(promtool, "test", "rules", "test.yaml", cwd=tmp_path)

    assert status == 0, said


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["task"])
def test_every_alert_says_what_to_do(
    row: Combination,
    promtool: str,
    rules: Callable[[Combination], list[dict[str, object]]],
    baked: Baked,
    tmp_path: Path,
) -> None:
    groups = rules(row)
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    status, said = finished(promtool, "check", "rules", "rules.yaml", cwd=tmp_path)
    assert status == 0, said

    operations = (baked(row) / "docs/operations.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### (\w+)$", operations, re.MULTILINE)
    (group,) = groups
    alerts = [rule for rule in group["rules"] if "alert" in rule]  # type: ignore[attr-defined]
    assert sorted(alert["alert"] for alert in alerts) == sorted(headings)
    for alert in alerts:
        name = alert["alert"]
        assert alert["annotations"]["runbook_url"] == f"docs/operations.md#{name.lower()}"
        assert alert["labels"]["severity"] in {"critical", "warning"}
        assert f'job="{DEFAULT_SLUG}"' in alert["expr"]
