"""Files that run code, or write a file, where PyTorch's own loaders read them.

Each leaves the file *marker* behind when it has its way.
"""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import torch

Members: TypeAlias = dict[str, bytes]
"""Of an archive, by their names without the folder that holds all."""

PT2_MODEL = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"
CONSTANTS = "data/constants/model_constants_config.json"


class Network(torch.nn.Module):
    """What the honest files hold; sizes of its input are expressions."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.inner(torch.cat([x, x])) + torch.tensor([1.0, 2.0, 3.0])
        return result


class Plant:
    """Unpickling it makes the file *marker*, and gives a dictionary as if nothing had been."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (eval, (f"open({str(self.marker)!r}, 'w').close() or {{}}",))


def saved(value: object) -> bytes:
    """*value* as ``torch.save`` writes it, with a pickle."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def members_of(path: Path) -> Members:
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def write_members(path: Path, members: Members) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"model/{name}", content)


def write_pt2(path: Path) -> None:
    """An honest archive of ``torch.export``."""
    shapes = ({0: torch.export.Dim.DYNAMIC},)
    program = torch.export.export(Network(), (torch.zeros(2, 4),), dynamic_shapes=shapes)
    torch.export.save(program, path)


def write_pt(path: Path) -> None:
    """An honest archive of TorchScript."""
    torch.jit.script(Network()).save(str(path))  # type: ignore[no-untyped-call]


def write_traced_pt(path: Path) -> None:
    """An honest archive of TorchScript, which keeps the inputs of its trace."""
    traced = torch.jit.trace(torch.nn.Linear(4, 3), torch.zeros(2, 4))  # type: ignore[no-untyped-call]
    traced.save(str(path))


def _pt2(change: Callable[[Members, Path], object]) -> Callable[[Path, Path], None]:
    def write(path: Path, marker: Path) -> None:
        write_pt2(path)
        members = members_of(path)
        change(members, marker)
        write_members(path, members)

    return write


def _graph(change: Callable[[Any, Path], object]) -> Callable[[Path, Path], None]:
    def change_members(members: Members, marker: Path) -> None:
        program = json.loads(members[PT2_MODEL])
        change(program, marker)
        members[PT2_MODEL] = json.dumps(program).encode()

    return _pt2(change_members)


def _pickled_weight(members: Members, marker: Path) -> None:
    config = json.loads(members[WEIGHTS])
    weight = next(iter(config["config"].values()))
    weight["use_pickle"] = True
    members[WEIGHTS] = json.dumps(config).encode()
    members[f"data/weights/{weight['path_name']}"] = saved(Plant(marker))


def _constant(name: str, content: Callable[[Path], bytes]) -> Callable[[Members, Path], None]:
    def change(members: Members, marker: Path) -> None:
        config = json.loads(members[CONSTANTS])
        constant = next(iter(config["config"].values()))
        constant |= {"path_name": name, "use_pickle": True}
        members[CONSTANTS] = json.dumps(config).encode()
        members[f"data/constants/{name}"] = content(marker)

    return change


def _calls(target: str, *texts: str) -> Callable[[Any, Path], None]:
    """The last operator of the graph is *target*, called with *texts*."""

    def change(program: Any, marker: Path) -> None:
        node = program["graph_module"]["graph"]["nodes"][-1]
        node["target"] = target
        node["inputs"] = [
            {"name": f"a{i}", "arg": {"as_string": text.format(marker=marker)}, "kind": 1}
            for i, text in enumerate(texts)
        ]

    return change


def _file_of_a_tensor(program: Any, marker: Path) -> None:
    node = program["graph_module"]["graph"]["nodes"][-1]
    node["target"] = "torch.ops.aten.from_file.default"
    arguments = {"filename": {"as_string": str(marker)}, "shared": {"as_bool": True}}
    arguments["size"] = {"as_int": 3}
    node["inputs"] = [
        {"name": name, "arg": argument, "kind": 1} for name, argument in arguments.items()
    ]


def _size(program: Any, marker: Path) -> None:
    sizes = program["graph_module"]["graph"]["tensor_values"]["x"]["sizes"]
    sizes[0]["as_expr"]["expr_str"] = f"open({str(marker)!r}, 'w').close() or 2"


def _name(program: Any, marker: Path) -> None:
    name = f"x=open({str(marker)!r}, 'w').close()"
    text = json.dumps(program).replace('{"name": "x"}', json.dumps({"name": name}))
    text = text.replace('"x": {"dtype"', f'{json.dumps(name)}: {{"dtype"')
    program |= json.loads(text)


def _structure(program: Any, marker: Path) -> None:
    """Import a module that is another file."""
    module = marker.with_suffix(".py")
    module.write_text(f"open({str(marker)!r}, 'w').close()\n")
    signature = program["graph_module"]["module_call_graph"][0]["signature"]
    tree = json.loads(signature["out_spec"])
    factory = {"default_factory_module": marker.stem, "default_factory_name": "list"}
    context = factory | {"dict_context": ["a"]}
    tree[1] = {
        "type": "collections.defaultdict",
        "context": context,
        "children_spec": [tree[1]],
    }
    signature["out_spec"] = json.dumps(tree)


def _older_pt2(path: Path, marker: Path) -> None:
    """PyTorch 2.7 wrote such."""
    write_pt2(path)
    program = json.loads(members_of(path)[PT2_MODEL])
    version = program["schema_version"]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("version", f"{version['major']}.{version['minor']}")
        archive.writestr("serialized_exported_program.json", json.dumps(program))
        for name in ("state_dict", "constants", "example_inputs"):
            archive.writestr(f"serialized_{name}.pt", saved(Plant(marker)))


def _script(method: str) -> Callable[[Path, Path], None]:
    """TorchScript with a method that has *method* in it."""

    def write(path: Path, marker: Path) -> None:
        write_pt(path)
        members = members_of(path)
        name = next(
            each for each in members if each.endswith(".py") and b"forward" in members[each]
        )
        code = members[name].decode()
        head, line = code.split("    x: Tensor) -> Tensor:\n")
        planted = method.format(marker=json.dumps(str(marker)))
        members[name] = f"{head}    x: Tensor) -> Tensor:\n    {planted}\n{line}".encode()
        write_members(path, members)

    return write


def _pickle_in_script(path: Path, marker: Path) -> None:
    write_pt(path)
    members = members_of(path)
    members["data.pkl"] = pickle.dumps(Plant(marker), protocol=2)
    write_members(path, members)


def _pickle(path: Path, marker: Path) -> None:
    path.write_bytes(saved({"inner.weight": Plant(marker)}))


def _older_pickle(path: Path, marker: Path) -> None:
    torch.save({"a": Plant(marker)}, path, _use_new_zipfile_serialization=False)


def _bare_pickle(path: Path, marker: Path) -> None:
    path.write_bytes(pickle.dumps(Plant(marker)))


HOSTILE: dict[str, Callable[[Path, Path], None]] = {
    "sample-inputs.pt2": _pt2(
        lambda members, marker: members.update(
            {"data/sample_inputs/model.pt": saved(((torch.zeros(2, 4), Plant(marker)), {}))}
        )
    ),
    "pickled-weight.pt2": _pt2(_pickled_weight),
    "pickled-constant.pt2": _pt2(_constant("tensor_0", lambda marker: saved(Plant(marker)))),
    "opaque-object.pt2": _pt2(
        _constant("opaque_obj_0", lambda marker: pickle.dumps(Plant(marker)))
    ),
    "custom-object.pt2": _pt2(_constant("custom_obj_0", lambda marker: saved(Plant(marker)))),
    "older-weights.pt2": _pt2(
        lambda members, marker: members.update({"data/weights/model.pt": saved(Plant(marker))})
    ),
    "library.pt2": _pt2(
        lambda members, _: members.update({"data/aotinductor/model/model.so": b"\x7fELF"})
    ),
    "older-archive.pt2": _older_pt2,
    "only-a-pickle.pt2": _pickle,
    "size.pt2": _graph(_size),
    "name.pt2": _graph(_name),
    "structure.pt2": _graph(_structure),
    "shell.pt2": _graph(_calls("torch.os.system", "touch {marker}")),
    "load-library.pt2": _graph(_calls("torch.ops.load_library", "{marker}")),
    "from-file.pt2": _graph(_file_of_a_tensor),
    "save.pt": _script("torch.save(x, {marker})"),
    "save-by-method.pt": _script("x.save({marker})"),
    "save-by-operator.pt": _script("ops.aten.save(x, {marker})"),
    "from-file.pt": _script("_0 = torch.from_file({marker}, True, 3)"),
    "pickle.pt": _pickle_in_script,
    "only-a-pickle.pt": _pickle,
    "pickle.pth": _pickle,
    "older-pickle.pth": _older_pickle,
    "bare-pickle.pth": _bare_pickle,
}
"""How to write each, by its name, whose end is the format: given its path and the marker's."""
