"""The fields that KServe's own Python models have, read from its wheel, which is not installed."""

import ast
import re
import subprocess
import sys
import zipfile
from typing import Any, TypeAlias

from locking import locked
from service import CACHE

KSERVE = "kserve==0.21.0"
SCALARS: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "bool": bool,
    "float": (int, float),
}

Models: TypeAlias = dict[str, dict[str, str]]
"""For each model, its fields with their types, as its source has them."""


def kserve_models() -> Models:
    """The models of KServe's newest API; the wheel is kept between runs."""
    folder = CACHE / KSERVE.replace("==", "-")
    with locked("kserve"):
        if not list(folder.glob("*.whl")):
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", KSERVE]
            subprocess.run([*pip, "--dest", str(folder)], check=True)
    (wheel,) = folder.glob("*.whl")
    models: Models = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if re.fullmatch(r"kserve/models/.*\.py", name):
                models |= _models_of(archive.read(name))
    return models


def faults(models: Models, manifest: dict[str, Any]) -> list[str]:
    """Where *manifest* has a field that its model does not have, or of another type."""
    version = manifest["apiVersion"].split("/")[1].capitalize()
    return list(_faults(models, f"{version}{manifest['kind']}", manifest, manifest["kind"]))


def _models_of(source: bytes) -> Models:
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            tables = {
                target.id: ast.literal_eval(statement.value)
                for statement in node.body
                if isinstance(statement, ast.Assign)
                for target in statement.targets
                if isinstance(target, ast.Name) and target.id in {"openapi_types", "attribute_map"}
            }
            if len(tables) == 2:
                names = tables["attribute_map"]
                found[node.name] = {
                    names[name]: kind for name, kind in tables["openapi_types"].items()
                }
    return found


def _faults(models: Models, kind: str, value: Any, path: str) -> list[str]:
    listed = re.fullmatch(r"list\[(.*)\]", kind)
    mapped = re.fullmatch(r"dict\(str, (.*)\)", kind)
    wanted: Any = SCALARS.get(kind)
    if kind in models or mapped:
        wanted = dict
    elif listed:
        wanted = list
    if wanted is None:
        return []  # a type of Kubernetes itself
    if not isinstance(value, wanted):
        return [f"{path}: {value!r} is no {kind}"]
    found = []
    for name, inner in value.items() if isinstance(value, dict) else []:
        if kind in models and name not in models[kind]:
            found.append(f"{path}.{name}: {kind} has no such field")
        else:
            inner_kind = models[kind][name] if kind in models else str(mapped and mapped[1])
            found += _faults(models, inner_kind, inner, f"{path}.{name}")
    for number, inner in enumerate(value if listed else []):
        found += _faults(models, listed[1] if listed else "", inner, f"{path}[{number}]")
    return found
