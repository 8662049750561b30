"""The command line of the lifecycle: ``python -m service.lifecycle COMMAND``."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import NoReturn, TypeAlias

from service.errors import OwnerError
from service.lifecycle.source import Source
from service.manifest import choose, find_version
from service.threads import available_cpus, limit_threads

Run: TypeAlias = Callable[[argparse.Namespace], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit status: 0, or 1 when the owner has something to put right.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except OwnerError as error:
        if options.traceback:
            raise
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


# Each command imports what it needs: "verify" also runs where nothing for training is installed.


def _train(options: argparse.Namespace) -> None:
    from service.lifecycle.train import train  # noqa: PLC0415

    source = Source.of(options)
    facts = train(options.candidate, source, epochs=options.epochs, seed=options.seed)
    _say(
        f"Trained on {facts.train_examples} examples in {facts.seconds:.0f} s. "
        f'The candidate is in "{options.candidate}".'
    )


def _evaluate(options: argparse.Namespace) -> None:
    from service.lifecycle.evaluate import EVALUATION, evaluate  # noqa: PLC0415

    found = evaluate(options.candidate, threshold=options.threshold)
    metrics = ", ".join(f"{name} {value:.4f}" for name, value in found.metrics.items())
    metrics = metrics or "the held-out examples have no labels, so nothing was measured"
    _say(
        f"{found.held_out_examples} held-out examples: {metrics}. "
        f'Model card and pictures are in "{options.candidate / EVALUATION}".'
    )
    if shortfall := found.shortfall():
        raise OwnerError(f"The candidate is not good enough: {shortfall}.")


def _export(options: argparse.Namespace) -> None:
    from service.lifecycle.export import export  # noqa: PLC0415
    from service.lifecycle.verify import table  # noqa: PLC0415

    folder, checks = export(options.candidate, options.model_dir)
    _say(f'{table(checks)}\nExported and verified: "{folder}".')


def _verify(options: argparse.Namespace) -> None:
    from service.lifecycle.verify import table, verify  # noqa: PLC0415

    folder = options.folder or find_version(options.model_dir, None)
    _say(f'{table(verify(folder))}\nVerified: "{folder}".')


def _fetch(options: argparse.Namespace) -> None:
    from service.lifecycle.fetch import fetch  # noqa: PLC0415
    from service.lifecycle.verify import table  # noqa: PLC0415

    found = fetch(options.origin, options.model_dir, options.sha256 or None)
    number = int(found.folder.name)
    if found.checks:
        _say(f'{table(found.checks)}\nFetched and verified: "{found.folder}".')
    else:
        _say(f'There already: "{found.folder}".')
    if number != found.theirs:
        _say(f"Where it comes from it is version {found.theirs}; here that is another model.")
    if (answers := int(find_version(options.model_dir, None).name)) != number:
        _say(
            f"Services answer with version {answers}. "
            f'Run "make use VERSION={number}" to serve this one.'
        )


def _compare(options: argparse.Namespace) -> None:
    from service.lifecycle.compare import TOLERANCE, compare, fetch_production  # noqa: PLC0415

    candidate = options.folder or find_version(options.model_dir, None)
    tolerance = TOLERANCE if options.tolerance is None else options.tolerance
    with TemporaryDirectory(prefix="production-") as scratch:
        name = options.model_dir.resolve().name
        folder = fetch_production(options.production, name, Path(scratch))
        found = compare(candidate, folder, Source.of(options), tolerance=tolerance)
    found.write(options.reports)
    if found.candidate.metrics:
        _say(f"{found.held_out_examples} held-out examples:\n\n{found.table()}\n")
    if found.outcome == "refused":
        raise OwnerError(found.reason)
    _say(found.reason)


def _use(options: argparse.Namespace) -> None:
    choose(options.model_dir, options.version)
    _say(f'Services of "{options.model_dir}" answer with version {options.version} from now on.')


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m service.lifecycle",
        description="From data to a model version: train, evaluate, export, verify, compare, use.",
    )
    parser.add_argument("--traceback", action="store_true", help="show where an error arose")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    candidate = _folder("--candidate", "build/candidate", "the trained model before its export")
    models = os.environ.get("MODEL_DIR") or "models/default"
    model_dir = _folder("--model-dir", models, "one folder per version; MODEL_DIR by default")
    reports = _folder("--reports", "build/reports", "where comparison.json and comparison.md go")

    def command(run: Run, what: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        name = run.__name__.removeprefix("_")
        added = commands.add_parser(name, parents=parents, help=what, description=what)
        added.set_defaults(run=run)
        return added

    train = command(_train, "train a network", candidate)
    Source.add_arguments(train)
    train.add_argument("--epochs", type=_at_least_one, help="rounds over the examples")
    train.add_argument("--seed", type=int, default=0, help="same seed, same weights (default: 0)")

    evaluate = command(_evaluate, "judge the trained network by held-out examples", candidate)
    by_default = "default: THRESHOLD in model/data.py"
    evaluate.add_argument("--threshold", type=float, help=f"least value to pass ({by_default})")

    what = "write the next version, in every format, and verify it"
    command(_export, what, candidate, model_dir)

    verify = command(_verify, "check a version's files and reload its artefacts", model_dir)
    verify.add_argument(
        "folder", type=Path, nargs="?", help="a version's (default: of the one that is served)"
    )

    fetch = command(_fetch, "take a version that was made elsewhere, and verify it", model_dir)
    fetch.add_argument(
        "origin",
        help="a model's or a version's folder, or a .tar.gz or .zip of one at http(s)://, "
        "file://, s3://, gs:// or hf://",
    )
    fetch.add_argument("--sha256", help="what the archive must have (default: not compared)")

    what = "refuse a version that is worse than the model in production"
    compare = command(_compare, what, model_dir, reports)
    compare.add_argument(
        "folder", type=Path, nargs="?", help="the candidate (default: the version that is served)"
    )
    compare.add_argument(
        "--production",
        nargs="*",
        metavar="IMAGE",
        default=[],
        help="what is in production: the image, and where the model has one of its own that image; "
        "or a model's folder (default: nothing yet)",
    )
    Source.add_arguments(compare)
    by_default = "default: TOLERANCE in service/lifecycle/compare.py"
    compare.add_argument(
        "--tolerance",
        type=_share,
        help=f"by how much the deciding metric may be lower ({by_default})",
    )

    use = command(_use, "switch services to a version, without a restart", model_dir)
    use.add_argument("version", type=_at_least_one, help="one that is there")
    return parser


def _folder(option: str, default: str, what: str) -> argparse.ArgumentParser:
    """The *option* that names a folder, for the commands that have it."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        option, type=Path, default=Path(default), metavar="DIR", help=f"{what} (%(default)s)"
    )
    return parser


def _at_least_one(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number


def _share(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return number


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)  # so that a staging folder is removed
    limit_threads(available_cpus())
    sys.exit(main())
