"""``export``: from a candidate to a model version, in every format, each verified."""

import gc
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from service.errors import OwnerError
from service.lifecycle import engine
from service.lifecycle.engine import EXPORTERS, Exporter
from service.lifecycle.evaluate import EVALUATION, read_passed
from service.lifecycle.source import Source
from service.lifecycle.train import FACTS, read_facts
from service.lifecycle.verify import Check, verify
from service.manifest import Artefact, Manifest, digests, next_version, staged, write
from service.owner import NAME, Network, Parameters, data, network

TOLERANCE = 1e-4
"""For float32 logits: engines that add up in another order differ by about 1e-6."""


def export(folder: Path, model_dir: Path) -> tuple[Path, list[Check]]:
    """Export the candidate in *folder* as the next version in *model_dir*."""
    facts = read_facts(folder)
    evaluation = read_passed(folder)
    models = [network.build(facts.parameters, len(facts.labels))]
    engine.load(models[0], folder / engine.WEIGHTS)

    def write_files(staging: Path) -> None:
        for name in evaluation.of.keys() - {FACTS, engine.WEIGHTS}:
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / name, staging / name)
        shutil.copytree(folder / EVALUATION, staging, dirs_exist_ok=True)

    return write_version(
        model_dir,
        models.pop,
        EXPORTERS,
        facts.parameters,
        write_files,
        labels=facts.labels,
        signature=facts.parameters.signature(len(facts.labels)),
        metrics=evaluation.metrics,
        made_with=engine.versions(),
        starter=is_starter(facts.source),
    )


def write_version(
    model_dir: Path,
    take: Callable[[], Network],
    exporters: Mapping[str, tuple[str, Exporter]],
    parameters: Parameters,
    write_files: Callable[[Path], None],
    **facts: Any,
) -> tuple[Path, list[Check]]:
    """Write the network of *take* as the next version in *model_dir*, and verify it.

    Args:
        model_dir: of the versions.
        take: gives the network, which nothing else holds: it is gone when its files are verified.
        exporters: format to path and exporter; the first is served by default.
        parameters: of the preprocessing.
        write_files: writes into a folder what lies beside the artefacts: golden arrays, model card.
        facts: what else the manifest says.

    Raises:
        OwnerError: a format failed, or answers otherwise; no version was written.
    """
    version = next_version(model_dir)
    target = model_dir / str(version)
    with staged(target) as staging:
        model = take()
        for format_name, (path, save) in exporters.items():
            try:
                save(model, parameters, facts["signature"], staging / path)
            except Exception as error:  # exporters raise whatever their libraries do
                raise OwnerError(
                    f'The export to "{format_name}" failed, and no version was written. '
                    f"{type(error).__name__}: {error}"
                ) from error
        del model
        gc.collect()
        write_files(staging)
        manifest = Manifest(
            name=model_dir.resolve().name,
            version=version,
            task=NAME,
            parameters=parameters.model_dump(mode="json"),
            artefacts=[Artefact(format=name, path=path) for name, (path, _) in exporters.items()],
            tolerance=TOLERANCE,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            files=digests(staging),
            **facts,
        )
        write(manifest, staging)
        checks = verify(staging)
        if target.exists():
            raise OwnerError(f'Another export wrote "{target}" meanwhile. Export again.')
    return target, checks


def is_starter(source: Source) -> bool:
    """Whether a model from *source* learnt nothing but what the repository came with."""
    return getattr(data, "IS_STARTER", False) and source == Source()
