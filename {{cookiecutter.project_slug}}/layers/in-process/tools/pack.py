"""Pack what an image serves: one version of the model, in one format.

usage: pack.py MODEL_DIR TO [--version N] [--format FORMAT] [--avoid FORMATS]

Writes TO anew, with the version's folder below the model's name, and prints the format: the first
in the manifest that is not to be avoided, unless FORMAT names one. The standard library is enough,
since images are built where nothing is installed.
"""

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any


def chosen(model_dir: Path, asked: str) -> Path:
    """The folder of the version that services answer with, as ``service.manifest`` chooses it."""
    found = {path.parent.name for path in model_dir.glob("[1-9]*/manifest.json")}
    current = model_dir / "current"
    said = asked or (current.read_text(encoding="utf-8").strip() if current.exists() else "")
    if not found:
        sys.exit(
            f'error: "{model_dir}" has no model version to put into the image. Run "make model", '
            'or set MODEL_DIR to a folder that "make model" wrote.'
        )
    if said and said not in found:
        by = "MODEL_VERSION is" if asked else f'"{current}" says'
        listed = ", ".join(sorted(found, key=int))
        sys.exit(f'error: {by} {said!r}, which "{model_dir}" does not have. It has: {listed}.')
    return model_dir / (said or max(found, key=int))


def served(manifest: dict[str, Any], asked: str, avoided: list[str]) -> dict[str, str]:
    """The artefact that is served."""
    artefacts: dict[str, dict[str, str]] = {each["format"]: each for each in manifest["artefacts"]}
    if asked and asked not in artefacts:
        listed = ", ".join(artefacts)
        sys.exit(f"error: MODEL_FORMAT is {asked!r}, which is not there. There are: {listed}.")
    wanted = [name for name in artefacts if name not in avoided] or list(artefacts)
    return artefacts[asked or wanted[0]]


def is_below(name: str, path: str) -> bool:
    return name == path or name.startswith(f"{path}/")


def pack(folder: Path, target: Path, asked: str, avoided: list[str]) -> str:
    """Copy the version in *folder* to *target*, checked; gives the format."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    artefact = served(manifest, asked, avoided)
    others = [each["path"] for each in manifest["artefacts"] if each != artefact]
    manifest["artefacts"] = [artefact]
    manifest["files"] = {
        name: facts
        for name, facts in manifest["files"].items()
        if is_below(name, artefact["path"]) or not any(is_below(name, each) for each in others)
    }
    for name, facts in manifest["files"].items():
        content = (folder / name).read_bytes() if (folder / name).is_file() else b""
        if hashlib.sha256(content).hexdigest() != facts["sha256"]:
            sys.exit(
                f'error: "{folder / name}" is missing, or is not what its manifest says. '
                'Restore it, or run "make model".'
            )
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (target / "manifest.json").write_text(text + "\n", encoding="utf-8")
    return artefact["format"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model_dir", type=Path)
    parser.add_argument("to", type=Path)
    for name in ("--version", "--format", "--avoid"):
        parser.add_argument(name, default="")
    options = parser.parse_args()
    folder = chosen(options.model_dir, options.version)
    shutil.rmtree(options.to, ignore_errors=True)
    target = options.to / options.model_dir.resolve().name / folder.name
    print(pack(folder, target, options.format, options.avoid.split()))


if __name__ == "__main__":
    main()
