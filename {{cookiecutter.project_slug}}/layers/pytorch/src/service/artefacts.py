"""What a file with a model may hold: weights, and a graph of operators that compute, nothing else.

PyTorch's loaders do more than load. ``torch.export.load`` unpickles members of the archive, makes
Python source of the names in the graph, evaluates the expressions of its sizes, and calls whatever
of ``torch`` a node names; TorchScript has operators that read and write files. So each archive is
read here before PyTorch gets it.
"""

import ast
import io
import json
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from service.errors import OwnerError

# Were a member unpickled all the same, no code out of it would run.
os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"

_COMMON = r"archive_format|archive_version|byteorder|version|\.format_version|\.storage_alignment|"
_COMMON += r"\.data/\w+|extra/.*"
_PT2_MEMBER = re.compile(
    rf"{_COMMON}|models/model\.json|data/sample_inputs/model\.pt"
    r"|data/weights/(weight_\d+|model_weights_config\.json)"
    r"|data/constants/(tensor_\d+|model_constants_config\.json)"
)
_PT_MEMBER = re.compile(
    rf"{_COMMON}|(data|constants|attributes|traced_inputs)(\.pkl|/\d+)"
    r"|code/[\w./]+\.py(\.debug_pkl)?"
)
_OPERATOR = re.compile(
    r"torch\.ops\.(aten\.(?!save\b|from_file\b)|prims\.|quantized\.|quantized_decomposed\.|"
    r"torchvision\.)\w+\.\w+"
    r"|torch\.ops\.higher_order\.(cond|flex_attention|map_impl|scan|while_loop|wrap_with_autocast|"
    r"wrap_with_set_grad_enabled)"
    r"|torch\._?sym_\w+|torch\._C\._set_grad_enabled|math\.\w+"
    r"|_operator\.(getitem|add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|"
    r"and_|or_|not_|xor|lshift|rshift)"
)
_NAME = re.compile(r"[\w.-]*")
_TREES = {"builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict", None}
_EXPRESSION = (
    ast.Expression | ast.BinOp | ast.UnaryOp | ast.Compare | ast.BoolOp | ast.Name | ast.keyword
    | ast.expr_context | ast.operator | ast.unaryop | ast.cmpop | ast.boolop
)  # fmt: skip
_FUNCTION = re.compile(r"[A-Z]\w*|floor|ceiling|sqrt|log|sin|cos|tan|abs")
"""Of SymPy; Python's own are written small."""
# What reads or writes files, whether it is called as a function or as a method; what an extension
# brings; objects of C++ classes.
_SCRIPT = re.compile(
    rb"\bsave\b|\bfrom_file\b|(?<![\w.])ops\b(?!\.(?:aten|prim|quantized|torchvision)\.\w)"
    rb"|__torch__\.torch\.classes\.(?!quantized\.)[\w.]*"
)


def check_pt2(path: Path) -> None:
    """Refuse an archive of ``torch.export`` that does more than compute; says what it holds."""
    members = _members(path, _PT2_MEMBER)
    for name, read in members.items():
        if name.endswith("_config.json"):
            for each in json.loads(read())["config"].values():
                if each["use_pickle"]:
                    raise _refused(path, f'a pickle as "{each["path_name"]}"')
        elif name.endswith(".pt"):
            _check_pickle(path, name, read())
        elif name.startswith("models/"):
            _check_program(path, json.loads(read()))


def check_pt(path: Path) -> None:
    """Refuse a TorchScript archive that does more than compute; says what it holds."""
    for name, read in _members(path, _PT_MEMBER).items():
        is_text = name.endswith((".py", ".pkl"))
        if is_text and (found := _SCRIPT.search(read())):
            raise _refused(path, f'"{found[0].decode()}" in "{name}"')


def _members(path: Path, accepted: re.Pattern[str]) -> dict[str, Callable[[], bytes]]:
    """What PyTorch finds in the archive at *path*: how to read each member, by its name."""
    reader = torch._C.PyTorchFileReader(str(path))  # noqa: SLF001 - the one that loads it
    names = reader.get_all_records()
    for name in names:
        if not accepted.fullmatch(name):
            raise _refused(path, f'"{name}"')
    with zipfile.ZipFile(path) as archive:
        listed = sorted(name.partition("/")[2] for name in archive.namelist())
    if listed != sorted(names) or len({name.lower() for name in names}) < len(names):
        raise _refused(path, "members that are not found by each reader")
    return {name: lambda name=name: reader.get_record(name) for name in names}  # type: ignore[misc]


def _check_pickle(path: Path, name: str, content: bytes) -> None:
    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except Exception:  # noqa: BLE001 - whatever it is, it is not only weights
        raise _refused(path, f'a pickle as "{name}"') from None


def _check_program(path: Path, program: Any) -> None:
    for key, value in _entries(program):
        if not _NAME.fullmatch(key):
            raise _refused(path, f"the name {key[:100]!r}")
        if key in {"target", "as_operator"} and not _OPERATOR.fullmatch(str(value)):
            raise _refused(path, f'the operator "{value}"')
        if key == "expr_str" and not _is_expression(str(value)):
            raise _refused(path, f"the size {value!r}")
        if key in {"in_spec", "out_spec"} and value:
            _check_tree(path, json.loads(value)[1])
        names = value if key == "forward_arg_names" else [value] if key.endswith("name") else []
        for name in names or []:
            if not _NAME.fullmatch(str(name)):
                raise _refused(path, f"the name {name[:100]!r}")


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """Each entry of the objects in a document of JSON, at any depth."""
    if isinstance(value, dict):
        yield from value.items()
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, dict | list):
            yield from _entries(each)


def _is_expression(text: str) -> bool:
    """Whether *text* is arithmetic with symbols."""
    try:
        nodes = list(ast.walk(ast.parse(text, mode="eval")))
    except SyntaxError:
        return False
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    texts = [call.args[0] for call in calls if call.args and ast.unparse(call.func) == "Symbol"]
    return all(
        _FUNCTION.fullmatch(ast.unparse(node.func)) is not None
        if isinstance(node, ast.Call)
        else not isinstance(node.value, str) or (node in texts and node.value.isidentifier())
        if isinstance(node, ast.Constant)
        else isinstance(node, _EXPRESSION)
        for node in nodes
    )


def _check_tree(path: Path, tree: Any) -> None:
    """Refuse structures of arguments that import modules, or have other than names as keys."""
    context = tree["context"]
    keys = (json.loads(context) if isinstance(context, str) else context) or []
    is_plain = isinstance(keys, list) and all(_NAME.fullmatch(str(key)) for key in keys)
    if tree["type"] not in _TREES or not is_plain:
        raise _refused(path, f"the structure {tree['type']} of {context}")
    for each in tree["children_spec"]:
        _check_tree(path, each)


def _refused(path: Path, what: str) -> OwnerError:
    return OwnerError(
        f'"{path}" was refused, and nothing of it was run: it holds {what}. Accepted are weights, '
        "and a graph of operators that only compute. Export the model again with the standard "
        "exporter, without custom classes and operators."
    )
