"""``evaluate``: judge a candidate by examples that it has not seen."""

from pathlib import Path

from service.about import PROJECT
from service.errors import OwnerError
from service.lifecycle import candidate, engine, evaluation
from service.manifest import staged, write_golden
from service.owner import data, network
from service.training import Dataset

GOLDEN_EXAMPLES = 32


def evaluate(folder: Path, *, threshold: float | None = None) -> candidate.Evaluation:
    """Evaluate the candidate in *folder* and write what was found into ``evaluation/`` there.

    Args:
        folder: the candidate's.
        threshold: the least value of the task's deciding metric; the data set's when ``None``.

    Returns:
        The evaluation, good enough or not.

    Raises:
        OwnerError: there is no candidate, or its data is no longer what it was.
    """
    facts = candidate.read(folder)
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
    found = candidate.Evaluation(
        metrics=report.metrics,
        required={} if least is None else {evaluation.METRIC: least},
        held_out_examples=len(examples.held_out),
        of=candidate.digests(folder),
    )
    with staged(folder / candidate.EVALUATION) as staging:
        write_golden(staging, *report.golden(GOLDEN_EXAMPLES))
        report.draw(staging)
        text = card(facts, found, examples, report.details)
        (staging / candidate.CARD).write_text(text, encoding="utf-8")
        candidate.write(found, staging / candidate.METRICS)
    return found


def card(
    facts: candidate.Facts, found: candidate.Evaluation, examples: Dataset, details: str
) -> str:
    """The model card, in Markdown: what a person must know before relying on the model.

    Args:
        facts: of the training.
        found: of the candidate.
        examples: what it was trained on and judged by.
        details: the task's own metrics, in Markdown.
    """
    passed = "not met" if found.shortfall() else "met"
    required = ", ".join(f"{name} {least:.4f}" for name, least in found.required.items())
    required = f"{required} ({passed})" if required else "nothing"
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
{_rows(found.metrics)}

Required for an export: {required}.

{details}

## What it is not good for

{_items(examples.limits)}
"""


def _pairs(values: dict[str, object] | dict[str, str]) -> str:
    scalars = {name: value for name, value in values.items() if not isinstance(value, dict)}
    return ", ".join(f"{name} {value}" for name, value in scalars.items())


def _rows(metrics: dict[str, float]) -> str:
    return "\n".join(f"| {name} | {value:.4f} |" for name, value in metrics.items())


def _items(sentences: list[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)
