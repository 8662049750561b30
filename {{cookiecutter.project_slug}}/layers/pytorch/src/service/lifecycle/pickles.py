"""Pickled weights, before PyTorch is imported: those that are more than tensors are not read."""

import pickletools
import zipfile
from pathlib import Path

from service.errors import OwnerError

_TENSORS = {"collections", "torch", "torch._tensor", "torch._utils", "torch.storage", "_codecs"}
"""Modules that a pickle of nothing but tensors names."""


def is_pickle(path: Path) -> bool:
    """Whether the file at *path* is one, in a zip archive or by itself.

    Raises:
        OwnerError: it names more than tensors: to load it would run code.
    """
    names = zipfile.ZipFile(path).namelist() if zipfile.is_zipfile(path) else []
    inside = [name for name in names if name.endswith("/data.pkl")]
    pickled = zipfile.ZipFile(path).read(inside[0]) if inside else path.read_bytes()
    if not pickled.startswith(b"\x80"):
        return False
    strings: list[str] = []
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name not in {"GLOBAL", "STACK_GLOBAL"}:
            strings += [argument] if isinstance(argument, str) else []
            continue
        named = strings[-2:] if opcode.name == "STACK_GLOBAL" else str(argument).split(" ")
        if named[0] not in _TENSORS:
            raise OwnerError(
                f'"{path}" is a pickle that names {".".join(named)}: to load it would run code. '
                f"Where that class is, write the weights alone, torch.save(model.state_dict(), "
                f'"model.pth"), or the graph, torch.export.save(torch.export.export(model, (x,), '
                f'dynamic_shapes=({{0: torch.export.Dim.DYNAMIC}},)), "model.pt2").'
            )
    return True
