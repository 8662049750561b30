"""The thread budget: what the container was given."""

import os
from pathlib import Path

import pytest

from service.threads import available_cpus, limit_threads

MACHINE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def test_without_a_quota_all_cpus_of_the_process_are_used(tmp_path: Path) -> None:
    assert available_cpus(tmp_path) == MACHINE


@pytest.mark.parametrize(("quota", "cpus"), [("100000", 1), ("50000", 1), ("max", MACHINE)])
def test_a_quota_of_cgroup_v2_limits(tmp_path: Path, quota: str, cpus: int) -> None:
    (tmp_path / "cpu.max").write_text(f"{quota} 100000\n")

    assert available_cpus(tmp_path) == cpus


@pytest.mark.parametrize(("quota", "cpus"), [("100000", 1), ("150000", 1), ("-1", MACHINE)])
def test_a_quota_of_cgroup_v1_limits(tmp_path: Path, quota: str, cpus: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")

    assert available_cpus(tmp_path) == cpus


def test_a_quota_over_the_machine_does_not_make_more_cpus(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("100000000 100000\n")

    assert available_cpus(tmp_path) == MACHINE


def test_what_the_owner_has_set_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("GOMP_SPINCOUNT", "9")
    for name in ("MKL_NUM_THREADS", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)

    limit_threads(2)

    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert os.environ["MKL_NUM_THREADS"] == "2"
    assert (os.environ["OMP_WAIT_POLICY"], os.environ["GOMP_SPINCOUNT"]) == ("PASSIVE", "9")
