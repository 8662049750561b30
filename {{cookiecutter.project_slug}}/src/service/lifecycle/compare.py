"""``compare``: is a new version as good as the model that is in production now?

Both exported models answer the examples that are held out now, each as it reads them. A model in
production may have learnt some of them; then it looks better than it is, never worse.
"""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias
# only: pytorch+model-server
from zipfile import BadZipFile, ZipFile
# end

import numpy as np

from service import runtime
from service.errors import OwnerError
from service.lifecycle import evaluation
from service.lifecycle.source import Source
from service.manifest import MANIFEST, Manifest, Record, check_files, find_version, read
from service.owner import data
from service.threads import available_cpus
from service.training import UNKNOWN, Dataset, Examples

# only: in-process
FOLDERS = ("/app/models",)
"""Of the model, in the image that is in production."""
# end
# only: pytorch+model-server
FOLDERS = ("/app/models", "/app/model-store")
# end
# only: tensorflow+model-server
FOLDERS = ("/app/models", "/models")
# end
# only: model-server
"""Of the model: in the service's image, which says what it is, and in the model server's."""
# end

TOLERANCE = 0.02
"""By how much the deciding metric may be lower: as much as trainings of the same data differ, when
they run on other machines or begin with other numbers."""

Outcome: TypeAlias = Literal["accepted", "refused", "no production model", "not comparable"]


class Judged(Record):
    """A model version and its metrics on the held-out examples; none when it was not judged."""

    version: int
    created_at: str
    metrics: dict[str, float]


class Comparison(Record):
    """A comparison: *metric* decides, and may be lower than in production by *tolerance*."""

    outcome: Outcome
    reason: str
    metric: str
    tolerance: float
    held_out_examples: int
    candidate: Judged
    production: Judged | None

    def table(self) -> str:
        lines = ["| metric | production | candidate | change |", "|---|---:|---:|---:|"]
        before = self.production.metrics if self.production else {}
        for name, value in self.candidate.metrics.items():
            mark = " (decides)" if name == self.metric else ""
            cells = ["", f"{value:.4f}", ""]
            if name in before:
                cells = [f"{before[name]:.4f}", f"{value:.4f}", f"{value - before[name]:+.4f}"]
            lines.append(f"| {name}{mark} | {' | '.join(cells)} |")
        return "\n".join(lines)

    def write(self, folder: Path) -> None:
        """Write ``comparison.json`` and, for people, ``comparison.md`` into *folder*."""
        folder.mkdir(parents=True, exist_ok=True)
        self.write_to(folder / "comparison.json")
        table = f"\n{self.table()}\n" if self.candidate.metrics else ""
        page = f"# Candidate and production: {self.outcome}\n\n{self.reason}\n{table}"
        (folder / "comparison.md").write_text(page, encoding="utf-8")


def compare(
    candidate: Path, production: Path | None, source: Source, *, tolerance: float = TOLERANCE
) -> Comparison:
    """Compare the versions in two folders; of *production* only the first artefact is needed."""
    new = read(candidate)
    old = None if production is None else read(production)
    examples = data.load(source, candidate)
    is_judged = set(examples.labels) == set(new.labels)
    metrics = judge(candidate, new, examples) if is_judged else {}
    outcome: Outcome = "not comparable"
    before: dict[str, float] = {}
    if production is None or old is None:
        outcome, reason = "no production model", "There is no model in production yet."
    elif difference := _difference(new, old):
        reason = f"Nothing was compared: {difference}."
    elif not is_judged:
        reason = (
            f"Nothing was compared: the held-out examples have the labels "
            f"{', '.join(examples.labels)}, the models {', '.join(new.labels)}. Give examples of "
            f"theirs: DATA=..."
        )
    elif evaluation.METRIC not in metrics:
        reason = "Nothing was compared: the held-out examples have no labels."
    else:
        before = _judge_production(production, old, source)
        outcome, reason = _decide(before[evaluation.METRIC], metrics[evaluation.METRIC], tolerance)
    return Comparison(
        outcome=outcome,
        reason=reason,
        metric=evaluation.METRIC,
        tolerance=tolerance,
        held_out_examples=len(examples.held_out),
        candidate=_judged(new, metrics),
        production=None if old is None else _judged(old, before),
    )


def _judged(manifest: Manifest, metrics: dict[str, float]) -> Judged:
    return Judged(version=manifest.version, created_at=manifest.created_at, metrics=metrics)


def _decide(before: float, now: float, tolerance: float) -> tuple[Outcome, str]:
    both = f"{evaluation.METRIC} is {now:.4f}, in production {before:.4f}"
    # Not a bare >=: 0.95 - 0.93 is a little more than 0.02.
    if now - before >= -tolerance - 1e-9:
        return "accepted", f"The candidate is good enough: {both}."
    return "refused", (
        f"The candidate is worse than the model in production: {both}; it may be lower by "
        f"{tolerance:g} at most."
    )


def _difference(new: Manifest, old: Manifest) -> str:
    """Why the metrics of both cannot be compared; empty when they can."""
    if new.task != old.task:
        return f"the model in production is for {old.task}, the candidate for {new.task}"
    gone = sorted(set(old.labels) - set(new.labels))
    added = sorted(set(new.labels) - set(old.labels))
    if gone or added:
        return (
            "they know other labels; "
            f"new: {', '.join(added) or 'none'}; no longer there: {', '.join(gone) or 'none'}"
        )
    return ""


def _judge_production(folder: Path, manifest: Manifest, source: Source) -> dict[str, float]:
    try:
        return judge(folder, manifest, data.load(source, folder))
    except OwnerError as error:
        raise OwnerError(
            f"The model in production could not be judged. {error} Where it can be read no longer, "
            f"compare with none: PRODUCTION= on make's command line."
        ) from error


def judge(folder: Path, manifest: Manifest, examples: Dataset) -> dict[str, float]:
    """The metrics of the version in *folder*, by what is served of it by default."""
    artefact = manifest.artefact(None)
    there = {name: each for name, each in manifest.files.items() if (folder / name).is_file()}
    check_files(folder, manifest.model_copy(update={"files": there}), below=artefact.path)
    predict = runtime.load(folder, manifest, artefact, threads=available_cpus())
    held_out = _in_order(examples.held_out, examples.labels, manifest.labels)
    return evaluation.judge_version(predict, manifest, held_out).metrics


def _in_order(examples: Examples, labels: list[str], wanted: list[str]) -> Examples:
    """*examples* with indices into *wanted* as targets, which has the same *labels*."""
    if labels == wanted:
        return examples
    places = np.array([wanted.index(label) for label in labels])
    known = examples.targets != UNKNOWN
    targets = np.where(known, places[np.where(known, examples.targets, 0)], UNKNOWN)
    return Examples(examples.inputs, targets)


def fetch_production(names: Sequence[str], model: str, scratch: Path) -> Path | None:
    """The folder of the version in production; ``None`` when there is none yet.

    Args:
        names: a model's folder, or the images in production, one for each of ``FOLDERS``.
        model: its name.
        scratch: where the model is copied to out of images.
    """
    if not any(names):
        return None
    first, *others = names
    if (Path(first) / MANIFEST).is_file():
        return Path(first)
    if Path(first).is_dir():
        return find_version(Path(first), None)
    if len(names) != len(FOLDERS):
        raise OwnerError(f"--production has {len(names)} images; it must have {len(FOLDERS)}.")
    if not is_there(first):
        return None
    for image in others:
        if not is_there(image):
            raise OwnerError(f'There is an image "{first}", but no "{image}" with its model.')
    for image, folder in reversed(list(zip(names, FOLDERS, strict=True))):
        container = _succeeding("create", image, "none")
        try:
            _succeeding("cp", f"{container}:{folder}/.", str(scratch))
        finally:
            _docker("rm", "--force", "--volumes", container)
    # only: in-process | tensorflow+model-server
    return find_version(scratch / model, None)
    # end
    # only: pytorch+model-server
    version = find_version(scratch / model, None)
    # As service.lifecycle.archive names it, which would import the archiver.
    _take_artefact(scratch / f"{model}-{version.name}.mar", version)
    return version
    # end


# only: pytorch+model-server
def _take_artefact(archive: Path, version: Path) -> None:
    """Put what is served out of TorchServe's *archive* into the folder of *version*."""
    try:
        with ZipFile(archive) as zipped:
            zipped.extract(read(version).artefacts[0].path, version)
    except (OSError, KeyError, BadZipFile) as error:
        raise OwnerError(
            f'The model server in production has no "{archive.name}" for the service: {error}.'
        ) from None


# end
_NOT_THERE = re.compile(
    r"manifest unknown|name unknown|manifest for .* not found|no such manifest"
    r"|failed to resolve reference .*: not found|repository .* not found",
    re.IGNORECASE,
)
"""How engines say that a registry has answered, and has no such image."""


def is_there(image: str) -> bool:
    """Whether there is such an image, on this machine or in its registry; it is pulled.

    ``OwnerError`` where the engine or the registry does not answer, or refuses.
    """
    host, slash, _ = image.partition("/")
    has_registry = slash and (host == "localhost" or re.search("[.:]", host))
    if not has_registry and _docker("image", "inspect", image).returncode == 0:
        return True
    pulled = _docker("pull", "--quiet", image)
    if pulled.returncode == 0:
        return True
    if _NOT_THERE.search(pulled.stderr):
        return False
    raise OwnerError(
        f'Could not ask the registry whether "{image}" exists: {_last_line(pulled.stderr)}. Log in '
        f'with "docker login", or try again when the registry answers.'
    )


def _succeeding(*words: str) -> str:
    done = _docker(*words)
    if done.returncode != 0:
        raise OwnerError(f'"docker {" ".join(words)}" failed: {_last_line(done.stderr)}')
    return done.stdout.strip()


def _docker(*words: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(  # noqa: S603 - no shell
            ["docker", *words],  # noqa: S607 - the one that PATH says
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise OwnerError(
            "Docker, which reads models out of images, is not installed. Install it, or give the "
            "model's folder."
        ) from None


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]
