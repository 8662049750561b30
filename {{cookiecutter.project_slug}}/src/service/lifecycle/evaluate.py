"""``evaluate``: judge a candidate by examples that it has not seen."""

from pathlib import Path

from service.errors import OwnerError
from service.lifecycle import candidate, card, engine, evaluation
from service.lifecycle.staging import staged
from service.manifest import write_golden
from service.owner import data, network

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
        text = card.render(facts, found, examples, report.details)
        (staging / candidate.CARD).write_text(text, encoding="utf-8")
        candidate.write(found, staging / candidate.METRICS)
    return found
