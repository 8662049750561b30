"""``export``: from a candidate to a model version, in every format, each verified."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from service.errors import OwnerError
from service.lifecycle import engine
from service.lifecycle.engine import EXPORTERS
from service.lifecycle.evaluate import EVALUATION, read_passed
from service.lifecycle.train import FACTS, read_facts
from service.lifecycle.verify import Check, verify
from service.manifest import Artefact, Manifest, digests, next_version, staged, write
from service.owner import network

TOLERANCE = 1e-4
"""For float32 logits: engines that add up in another order differ by about 1e-6."""


def export(folder: Path, model_dir: Path) -> tuple[Path, list[Check]]:
    """Export the candidate in *folder* as the next version in *model_dir*.

    Raises:
        OwnerError: the candidate may not be exported, or a format failed; no version was written.
    """
    facts = read_facts(folder)
    evaluation = read_passed(folder)
    signature = facts.parameters.signature(len(facts.labels))
    model = network.build(facts.parameters, len(facts.labels))
    engine.load(model, folder / engine.WEIGHTS)
    version = next_version(model_dir)
    target = model_dir / str(version)
    with staged(target) as staging:
        artefacts = []
        for format_name, (path, save) in EXPORTERS.items():
            try:
                save(model, facts.parameters, signature, staging / path)
            except Exception as error:  # exporters raise whatever their libraries do
                raise OwnerError(
                    f'The export to "{format_name}" failed, and no version was written. '
                    f"{type(error).__name__}: {error}"
                ) from error
            artefacts.append(Artefact(format=format_name, path=path))
        for name in evaluation.of.keys() - {FACTS, engine.WEIGHTS}:
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / name, staging / name)
        shutil.copytree(folder / EVALUATION, staging, dirs_exist_ok=True)
        manifest = Manifest(
            name=model_dir.resolve().name,
            version=version,
            task=facts.task,
            labels=facts.labels,
            parameters=facts.parameters.model_dump(mode="json"),
            signature=signature,
            artefacts=artefacts,
            metrics=evaluation.metrics,
            tolerance=TOLERANCE,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            made_with=engine.versions(),
            files=digests(staging),
        )
        write(manifest, staging)
        checks = verify(staging)
        if target.exists():
            raise OwnerError(f'Another export wrote "{target}" meanwhile. Export again.')
    return target, checks
