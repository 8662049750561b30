"""How many threads may compute: what the container was given, not what the machine has.

A pod limited to 2 CPUs on a node of 64 that computes with 64 threads is many times slower than
with 2. Numeric libraries read their limit once, when they are imported.
"""

import os
from collections.abc import Mapping
from math import floor
from pathlib import Path

_LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def available_cpus(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """CPUs that this process may use: affinity and cgroup quota (v2 or v1), at least 1."""
    is_linux = hasattr(os, "sched_getaffinity")
    cpus = len(os.sched_getaffinity(0)) if is_linux else os.cpu_count() or 1
    quota = _quota_v2(cgroup) or _quota_v1(cgroup)
    return max(1, min(cpus, floor(quota))) if quota else cpus


def limit_threads(threads: int, environment: Mapping[str, str] = os.environ) -> None:
    """Tell numeric libraries to use *threads*; what the owner has set stands.

    Must come before NumPy or a machine-learning framework is imported.
    """
    for name in _LIMITS:
        if name not in environment:
            os.environ[name] = str(threads)
    # A thread that spins takes the CPU from those it waits for; one that sleeps is woken late.
    for name, value in (("OMP_WAIT_POLICY", "PASSIVE"), ("GOMP_SPINCOUNT", "1000")):
        if name not in environment:
            os.environ[name] = value


def _quota_v2(cgroup: Path) -> float | None:
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)


def _quota_v1(cgroup: Path) -> float | None:
    try:
        quota = int((cgroup / "cpu" / "cpu.cfs_quota_us").read_text())
        period = int((cgroup / "cpu" / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 else None
