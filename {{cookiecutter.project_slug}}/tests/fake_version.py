"""A model version without a network, for tests of what surrounds the model."""

from pathlib import Path

import samples
from golden import golden

from service import manifest as manifests
from service.manifest import Artefact, Manifest


def write_fake_version(model_dir: Path, version: int = 1) -> Path:
    """A version's folder with a manifest and golden arrays, but without a network."""
    folder = model_dir / str(version)
    folder.mkdir(parents=True)
    (folder / "model.fake").write_bytes(b"weights")
    samples.write_assets(folder)
    manifests.write_golden(folder, *golden())
    manifest = Manifest(
        name=model_dir.name,
        version=version,
        task=samples.TASK,
        labels=samples.LABELS,
        parameters=samples.PARAMETERS,
        signature=samples.SIGNATURE,
        artefacts=[Artefact(format="fake", path="model.fake")],
        metrics={},
        tolerance=1e-6,
        created_at="2026-01-01T00:00:00Z",
        made_with={},
        files=manifests.digests(folder),
    )
    manifests.write(manifest, folder)
    return folder
