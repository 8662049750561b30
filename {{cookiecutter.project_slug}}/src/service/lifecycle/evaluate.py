"""``evaluate``: judge a candidate by examples that it has not seen."""

import math
from pathlib import Path

from service import manifest as manifests
from service.errors import OwnerError
from service.lifecycle import engine, evaluation
from service.lifecycle.train import Facts, read_facts
from service.manifest import Record, staged, write_golden
from service.numerics import rows
from service.owner import data, network
from service.settings import PROJECT
from service.training import GOLDEN_EXAMPLES, Dataset

EVALUATION = "evaluation"
METRICS = "metrics.json"
CARD = "MODEL_CARD.md"


class Evaluation(Record):
    """How good a candidate is on examples that it had not seen."""

    metrics: dict[str, float]
    required: dict[str, float]
    """The least value of each metric that is good enough for an export."""
    held_out_examples: int
    of: dict[str, str]
    """SHA-256 of each file of the candidate that was evaluated."""

    def shortfall(self) -> str:
        """What is below its threshold, in words; empty when nothing is."""
        found = {name: self.metrics.get(name, math.nan) for name in self.required}
        return ", ".join(
            f"{name} is {found[name]:.4f}, at least {least:.4f} is required"
            for name, least in self.required.items()
            if not found[name] >= least
        )


def evaluate(folder: Path, *, threshold: float | None = None) -> Evaluation:
    """Evaluate the candidate in *folder*, and write what was found into ``evaluation/`` there.

    Its deciding metric must reach *threshold*, or that of the data set when it is ``None``.
    """
    facts = read_facts(folder)
    examples = data.load(facts.source)
    if examples.sha256() != facts.data_sha256:
        raise OwnerError(
            "The data has changed since the training, so that what was held out may have been "
            'learnt. Run "python -m service.lifecycle train" again.'
        )
    model = network.build(facts.parameters, len(facts.labels))
    engine.load(model, folder / engine.WEIGHTS)
    report = evaluation.judge(model, examples)
    least = examples.threshold if threshold is None else threshold
    found = Evaluation(
        metrics=report.metrics,
        required={} if least is None else {evaluation.METRIC: least},
        held_out_examples=len(examples.held_out),
        of=digests(folder),
    )
    with staged(folder / EVALUATION) as staging:
        few = slice(GOLDEN_EXAMPLES)
        write_golden(staging, rows(report.inputs, few), rows(report.outputs, few))
        report.draw(staging)
        text = card(facts, found, examples, report.details)
        (staging / CARD).write_text(text, encoding="utf-8")
        found.write_to(staging / METRICS)
    return found


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file that the training wrote, by its path in *folder*."""
    files = manifests.digests(folder).items()
    return {name: each.sha256 for name, each in files if not name.startswith(f"{EVALUATION}/")}


def read_passed(folder: Path) -> Evaluation:
    """The evaluation of the candidate in *folder*; ``OwnerError`` where it may not be exported."""
    path = folder / EVALUATION / METRICS
    again = 'Run "python -m service.lifecycle evaluate".'
    if not path.is_file():
        raise OwnerError(f'The candidate in "{folder}" was not evaluated. {again}')
    evaluation = Evaluation.read_from(path, "what an evaluation writes")
    if changed := dict(digests(folder).items() ^ evaluation.of.items()):
        raise OwnerError(f'"{folder / min(changed)}" has changed since the evaluation. {again}')
    if shortfall := evaluation.shortfall():
        raise OwnerError(
            f'The candidate in "{folder}" is not good enough for an export: {shortfall}.'
        )
    return evaluation


def card(facts: Facts, found: Evaluation, examples: Dataset, details: str) -> str:
    """The model card; *details* are the task's own metrics. All in Markdown."""
    passed = "not met" if found.shortfall() else "met"
    required = ", ".join(f"{name} {least:.4f} ({passed})" for name, least in found.required.items())
    metrics = "\n".join(f"| {name} | {value:.4f} |" for name, value in found.metrics.items())
    limits = "\n".join(f"- {sentence}" for sentence in examples.limits)
    return f"""\
# Model card: {PROJECT["name"]}

{PROJECT["description"]}

| | |
|---|---|
| Task | {facts.task} |
| Labels | {", ".join(facts.labels)} |
| Input | {_pairs(facts.parameters.model_dump())} |
| Trained | {facts.trained_at}, {facts.epochs} epochs, seed {facts.seed}, {facts.seconds:.0f} s |
| Made with | {_pairs(facts.made_with)} |

## Data

{examples.description}

{len(examples.train)} examples were learnt from, {found.held_out_examples} were held out.

## Quality on the held-out examples

| metric | value |
|---|---:|
{metrics}

Required for an export: {required or "nothing"}.

{details}

## What it is not good for

{limits}
"""


def _pairs(values: dict[str, object] | dict[str, str]) -> str:
    scalars = {name: value for name, value in values.items() if not isinstance(value, dict)}
    return ", ".join(f"{name} {value}" for name, value in scalars.items())
