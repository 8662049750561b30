"""``python -m service.lifecycle.archive``: model versions -> archives that TorchServe serves.

An archive (``.mar``) holds what is served by default, the manifest, the golden answers, and the
handler. One that is there already is left as it is.
"""

import argparse
import logging
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from model_archiver.model_archiver import generate_model_archive
from model_archiver.model_archiver_config import ModelArchiverConfig

from service import manifest as manifests
from service.errors import OwnerError

MODEL_SERVER = Path(__file__).parents[3] / "model_server"
# only: predict
HANDLER = MODEL_SERVER / "predict_handler.py"
# end
# only: text-generation
HANDLER = MODEL_SERVER / "generate_handler.py"
# end
_NEWEST = 2
"""So many versions are served side by side, and the chosen one; each has a process of its own."""


def archive(model_dir: Path, store: Path) -> list[Path]:
    """Let *store* have archives of the newest versions in *model_dir* and of the chosen one, alone.

    Returns:
        Those that were made.
    """
    chosen = int(manifests.find_version(model_dir, None).name)
    name = model_dir.resolve().name
    served = {*manifests.versions(model_dir)[-_NEWEST:], chosen}
    wanted = {store / f"{name}-{version}.mar": version for version in sorted(served)}
    made = [path for path in wanted if not path.is_file()]
    for path in made:
        _make(model_dir / str(wanted[path]), path)
    for path in store.glob(f"{name}-*.mar"):
        if path not in wanted:
            path.unlink()
    return made


def _make(folder: Path, path: Path) -> None:
    """Archive the version in *folder* as *path*, which appears complete or not at all."""
    facts = manifests.read(folder)
    artefact = facts.artefacts[0]
    manifests.check_files(folder, facts, below=artefact.path)
    manifests.check_files(folder, facts, below=manifests.GOLDEN)
    extra = [folder / manifests.MANIFEST, folder / manifests.GOLDEN]
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=".staging-") as staging:
        generate_model_archive(
            ModelArchiverConfig(
                model_name=facts.name,
                version=str(facts.version),
                serialized_file=str(folder / artefact.path),
                handler=str(HANDLER),
                extra_files=",".join(map(str, extra)),
                config_file=str(MODEL_SERVER / "model-config.yaml"),
                export_path=staging,
            )
        )
        (Path(staging) / f"{facts.name}.mar").replace(path)


def main() -> int:
    """Run the command; gives the exit status."""
    logging.getLogger().setLevel(logging.WARNING)  # the archiver tells of each file
    parser = argparse.ArgumentParser(
        prog="python -m service.lifecycle.archive",
        description="Make archives for TorchServe of the versions that it serves.",
    )
    parser.add_argument(
        "--model-dir",
        type=Path,
        default=Path(os.environ.get("MODEL_DIR") or "models/default"),
        metavar="DIR",
        help="folder with one folder per version (default: MODEL_DIR, here %(default)s)",
    )
    parser.add_argument(
        "--store",
        type=Path,
        metavar="DIR",
        help="where the archives lie (default: model-store, beside the model's folder)",
    )
    options = parser.parse_args()
    try:
        store = options.store or options.model_dir.parent / "model-store"
        made = archive(options.model_dir, store)
    except OwnerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for path in made:
        sys.stdout.write(f'Archived: "{path}".\n')
    return 0


if __name__ == "__main__":
    sys.exit(main())
