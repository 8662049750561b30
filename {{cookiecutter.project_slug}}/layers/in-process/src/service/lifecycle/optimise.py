"""``optimise``: the format that is the fastest on this machine is served.

Formats differ by the engine that runs them, and no engine is the fastest everywhere. Each runs
golden inputs: by ``optimise`` in fresh processes, as a service does, in rounds, so that what else
the machine does meets all alike; after each training and import in a short look.
"""

import gc
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from service import manifest as manifests
from service.lifecycle.verify import in_fresh_process, verify
from service.manifest import Artefact, Manifest, Record
from service.settings import read_settings
from service.threads import available_cpus

_ROUNDS = 3
_SECONDS = 0.5
"""How long each of a round's two measurements takes."""
_GAIN = 0.9
"""Another format is served if it takes at most this share of the time of the one that is."""
_SHORT_SECONDS = 0.15
_CLEAR_GAIN = 0.75
"""The same for a short look: two formats of one engine differ by less, or by what else runs."""
_ENOUGH_SECONDS = 15.0
"""After which a short look begins with no other format."""
_NEED_CODE = {
    # only: pytorch
    "pth",
    # end
    # only: tensorflow
    "keras",
    "h5",
    # end
}
"""Built by ``model/network.py``, whose libraries may be there for training only: never chosen."""


class Speed(Record):
    """How fast a format is; *milliseconds* and those of a batch are medians of one run."""

    format: str
    load_seconds: float
    milliseconds: float
    batch: int
    batch_milliseconds: float


def optimise(folder: Path) -> list[Speed]:
    """Put the artefacts of the version in *folder* in order: the first is served.

    Returns:
        Their speeds, in that order.

    Raises:
        OwnerError: one is not what was exported. Nothing has changed.
    """
    verify(folder)
    manifest = manifests.read(folder)
    rounds = [[_measured(folder, each) for each in manifest.artefacts] for _ in range(_ROUNDS)]
    found = [min(each, key=_cost) for each in zip(*rounds, strict=True)]
    return _put_in_order(folder, manifest, found, _GAIN)


def choose(folder: Path, say: Callable[[str], None]) -> None:
    """Let the format of the verified version in *folder* that is clearly the fastest be served.

    Each is loaded once, in this process; *say* tells of it as it is measured. MODEL_FORMAT stands.
    """
    if named := read_settings().model_format:
        say(f'MODEL_FORMAT is "{named}": services serve it, whatever is faster.')
        return
    manifest = manifests.read(folder)
    first, *others = manifest.artefacts
    # Other engines' formats stand behind the framework's own.
    compared = [first, *reversed([each for each in others if each.format not in _NEED_CODE])]
    if len(compared) == 1:
        return
    # only: pytorch
    import torch  # noqa: PLC0415 - there since the training

    torch.use_deterministic_algorithms(mode=False)  # training asks for it, and no service does
    # end
    say("\nWhich format is the fastest here?")
    found: list[Speed] = []
    end = time.perf_counter() + _ENOUGH_SECONDS
    for artefact in compared:
        if found and time.perf_counter() > end:
            break
        speed = measure(folder, artefact.format, _SHORT_SECONDS)
        each = speed.batch_milliseconds / speed.batch
        say(f"{speed.format:<12} {speed.milliseconds:>8.2f} ms, in a batch {each:>8.2f} ms each")
        found.append(speed)
    served = _put_in_order(folder, manifest, found, _CLEAR_GAIN)[0].format
    why = "nothing is clearly faster" if served == first.format else f'not "{first.format}"'
    say(f'Services serve "{served}": {why}. "make optimise" measures for longer.')


def table(speeds: list[Speed]) -> str:
    """The speeds in columns, for people."""
    lines = [("format", "loaded in", "one input", f"each of {speeds[0].batch}")]
    for speed in speeds:
        each = speed.batch_milliseconds / speed.batch
        times = (f"{speed.load_seconds:.2f} s", f"{speed.milliseconds:.2f} ms", f"{each:.2f} ms")
        lines.append((speed.format, *times))
    return "\n".join(f"{a:<12} {b:>10} {c:>12} {d:>12}" for a, b, c, d in lines)


def _cost(speed: Speed) -> float:
    """Milliseconds of an input: the geometric mean of those alone and in a batch."""
    return math.sqrt(speed.milliseconds * speed.batch_milliseconds / speed.batch)


def _put_in_order(
    folder: Path, manifest: Manifest, found: list[Speed], least_gain: float
) -> list[Speed]:
    """Write the artefacts by their speeds, if that gains enough; *found* begins with the first."""
    speeds = sorted(found, key=lambda speed: (speed.format in _NEED_CODE, _cost(speed)))
    if _cost(speeds[0]) > least_gain * _cost(found[0]):
        speeds = found
    named = [speed.format for speed in speeds]
    others = [each for each in manifest.artefacts if each.format not in named]
    facts = {
        "artefacts": [*map(manifest.artefact, named), *others],
        "milliseconds": {speed.format: round(speed.milliseconds, 3) for speed in speeds},
        "measured_on": _cpu(),
    }
    manifests.write(manifest.model_copy(update=facts), folder)
    return speeds


def _measured(folder: Path, artefact: Artefact) -> Speed:
    said = in_fresh_process("service.lifecycle.optimise", folder, artefact)
    return Speed.model_validate_json(said)


def measure(folder: Path, format_name: str, seconds: float = _SECONDS) -> Speed:
    """The speed of one format, with as many threads as a service has."""
    from service import runtime  # noqa: PLC0415 - the framework, which the parent does not need

    gc.collect()  # what was loaded before is in cycles
    manifest = manifests.read(folder)
    inputs, _ = manifests.read_golden(folder)
    started = time.perf_counter()
    predict = runtime.load(folder, manifest, manifest.artefact(format_name), available_cpus())
    load_seconds = time.perf_counter() - started
    # only: text-generation
    inputs["tokens"] = inputs["tokens"][:, :1]  # nearly all steps give each row one token
    # end
    first = {name: array[:1] for name, array in inputs.items()}
    return Speed(
        format=format_name,
        load_seconds=load_seconds,
        milliseconds=_median_milliseconds(lambda: predict(first), seconds),
        batch=len(next(iter(inputs.values()))),
        batch_milliseconds=_median_milliseconds(lambda: predict(inputs), seconds),
    )


def _median_milliseconds(run: Callable[[], object], seconds: float) -> float:
    for _ in range(2):  # the first ones compile, and fill caches
        run()
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < 3 or time.perf_counter() < end:  # noqa: PLR2004 - a median has a middle
        started = time.perf_counter()
        run()
        taken.append(1000 * (time.perf_counter() - started))
    return median(taken)


def _cpu() -> str:
    """The processor's name, and how many of its threads were used."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else 'a CPU without a name'}, {available_cpus()} threads"


if __name__ == "__main__":
    sys.stdout.write(f"\n{measure(Path(sys.argv[1]), sys.argv[2]).model_dump_json()}\n")
