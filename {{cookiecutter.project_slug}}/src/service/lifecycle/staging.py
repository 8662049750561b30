"""A folder that appears complete or not at all."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Give an empty hidden folder that becomes *target* when the block ends.

    It lies beside *target*, since a rename does not cross file systems. When the block raises, it
    is removed and *target* is as it was.
    """
    mark = uuid.uuid4().hex[:8]
    staging = target.with_name(f".staging-{target.name}-{mark}")
    former = target.with_name(f".former-{target.name}-{mark}")
    staging.mkdir(parents=True)
    try:
        yield staging
        if target.exists():
            target.rename(former)
        staging.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if former.exists() and not target.exists():
            former.rename(target)
        shutil.rmtree(former, ignore_errors=True)
