"""The model card: what a person must know before relying on the model."""

from service.about import PROJECT
from service.lifecycle.candidate import Evaluation, Facts
from service.training import Dataset


def render(facts: Facts, evaluation: Evaluation, examples: Dataset, details: str) -> str:
    """Write the card, in Markdown.

    Args:
        facts: of the training.
        evaluation: of the candidate.
        examples: what it was trained on and judged by.
        details: the task's own metrics, in Markdown.
    """
    passed = "not met" if evaluation.shortfall() else "met"
    required = ", ".join(f"{name} {least:.4f}" for name, least in evaluation.required.items())
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

{len(examples.train)} examples were learnt from, {evaluation.held_out_examples} were held out.

## Quality on the held-out examples

| metric | value |
|---|---:|
{_rows(evaluation.metrics)}

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
