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
from service.logs import without_secrets
from service.manifest import choose, find_version
from service.threads import available_cpus, limit_threads

Run: TypeAlias = Callable[[argparse.Namespace], object]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 1 where the owner has something to put right, else 0."""
    options = _parser().parse_args(arguments)
    try:
        _refuse_missing(options)
        options.run(options)
    except OwnerError as error:
        if options.traceback:
            raise
        sys.stderr.write(f"{without_secrets(str(error))}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _refuse_missing(options: argparse.Namespace) -> None:
    """Say at once what is not there: frameworks take seconds to import."""
    base: str = getattr(options, "base_model", None) or ""
    for origin in (base, getattr(options, "origin", "")):
        if origin.startswith(("models:/", "runs:/", "mlflow-artifacts:/")):
            raise OwnerError(
                f'"{origin}" is read by MLflow. Run "mlflow artifacts download --artifact-uri '
                f'{origin} --dst-path from-mlflow", and name the file or folder in from-mlflow.'
            )
    named = [getattr(options, name, None) for name in ("data", "folder")]
    for path in filter(None, [*named, Path(base) if base.startswith((".", "/", "~")) else None]):
        try:
            path.stat()
        except FileNotFoundError:
            raise OwnerError(f'"{path}" is not there. Name a file or folder that is.') from None
        except OSError as error:
            raise OwnerError(f'"{path}" cannot be read: {error.strerror}.') from None


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


def _export(options: argparse.Namespace) -> Path:
    from service.lifecycle.export import export  # noqa: PLC0415
    from service.lifecycle.verify import table  # noqa: PLC0415

    folder, checks = export(options.candidate, options.model_dir)
    _say(f'{table(checks)}\nExported and verified: "{folder}".')
    return folder


def _model(options: argparse.Namespace) -> None:
    _train(options)  # in one process: the framework is imported once
    _evaluate(options)
    # only: in-process
    _choose(_export(options), options)
    # end
    # only: model-server
    _export(options)
    # end


def _verify(options: argparse.Namespace) -> None:
    from service.lifecycle.verify import table, verify  # noqa: PLC0415

    folder = options.folder or find_version(options.model_dir, None)
    _say(f'{table(verify(folder))}\nVerified: "{folder}".')


def _fetch(options: argparse.Namespace) -> None:
    from service.lifecycle.fetch import fetch  # noqa: PLC0415
    from service.lifecycle.verify import table  # noqa: PLC0415

    found = fetch(options.origin, options.model_dir, options.sha256 or None)
    number = int(found.folder.name)
    done = f"{table(found.checks)}\nFetched and verified" if found.checks else "There already"
    _say(f'{done}: "{found.folder}".')
    if number != found.theirs:
        _say(f"Where it comes from it is version {found.theirs}; here that is another model.")
    if (answers := int(find_version(options.model_dir, None).name)) != number:
        _say(
            f"Services answer with version {answers}. "
            f'Run "make use VERSION={number}" to serve this one.'
        )


# only: image-classification
def _import(options: argparse.Namespace) -> None:
    from service.lifecycle import original, readers  # noqa: PLC0415

    with original.original_at(options.origin, options.model_dir.parent, options.sha256) as path:
        found = readers.find(path)
        labels = original.labels_of(found, options.labels, path)
        formats = original.formats_of(found, options.formats)
        asked = options.preprocess, options.size
        parameters = original.parameters_of(found, readers.geometry, *asked)

        # The framework, which takes seconds, when all that may be asked has been answered.
        from service.lifecycle.importing import Wishes, import_model  # noqa: PLC0415
        from service.lifecycle.verify import table  # noqa: PLC0415

        wishes = Wishes(
            labels=labels,
            parameters=parameters,
            scores=options.scores,
            examples=options.examples,
            data=options.data,
            formats=formats,
            # end
            # only: image-classification+pytorch+in-process
            several=options.optimise,
            # end
            # only: image-classification
        )
        made = import_model(path, found, wishes, options.model_dir)
    _say("\n".join(f"- {fact}" for fact in made.facts))
    _say(f"\n{made.table()}\n\n{table(made.checks)}")
    judged = "" if options.data else ", and not judged by held-out examples: DATA= names some"
    _say(f'Imported and verified: "{made.folder}"{judged}.')
    # end
    # only: image-classification+in-process
    if not options.formats:
        _choose(made.folder, options)
    # end
    # only: image-classification


# end
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


# only: in-process
def _choose(folder: Path, options: argparse.Namespace) -> None:
    from service.lifecycle.optimise import choose  # noqa: PLC0415

    if options.optimise:
        choose(folder, _say)


def _optimise(options: argparse.Namespace) -> None:
    from service.lifecycle.optimise import optimise, table  # noqa: PLC0415

    folder = options.folder or find_version(options.model_dir, None)
    speeds = optimise(folder)
    _say(f'{table(speeds)}\nServices that start from now on serve "{speeds[0].format}".')


# end
def _use(options: argparse.Namespace) -> None:
    from service.lifecycle.verify import verify  # noqa: PLC0415

    verify(find_version(options.model_dir, options.version, "VERSION"))
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

    what = "train, evaluate, and export if the model is good enough"
    model = command(_model, what, candidate, model_dir)
    _add_threshold(_add_training(model))
    _add_training(command(_train, "train a network", candidate))
    _add_threshold(command(_evaluate, "judge the trained network by held-out examples", candidate))

    command(_export, "write the next version in every format, and verify it", candidate, model_dir)

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

    # only: image-classification
    what = "make a version of a trained model, and verify that it answers as the original"
    imported = command(_import, what, model_dir)
    imported.add_argument("origin", help="the model's file or folder, or the address of a file")
    imported.add_argument("--sha256", default="", help="what the file must have")
    imported.add_argument("--labels", default="", help="a file, a label a line; or cat,dog")
    imported.add_argument("--preprocess", default="", help="what a pixel becomes")
    imported.add_argument("--size", default="", help="of the images: 224, or 224x160 (H x W)")
    imported.add_argument("--scores", default="", choices=("", "logits", "probabilities"))
    imported.add_argument("--examples", type=Path, metavar="DIR", help="images to answer for")
    imported.add_argument("--data", type=Path, metavar="DIR", help="labelled images to judge it by")
    imported.add_argument("--formats", default="", help="what to export (default: what is served)")

    # end
    # only: in-process
    _add_choice(model)
    # end
    # only: image-classification+in-process
    _add_choice(imported)
    # end
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

    # only: in-process
    what = "measure a version's formats on this machine, and let the fastest be served"
    optimise = command(_optimise, what, model_dir)
    optimise.add_argument(
        "folder", type=Path, nargs="?", help="a version's (default: of the one that is served)"
    )

    # end
    use = command(_use, "verify a version, and switch services to it", model_dir)
    use.add_argument("version", type=_at_least_one, help="one that is there")
    return parser


def _add_training(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    Source.add_arguments(parser)
    parser.add_argument("--epochs", type=_at_least_one, help="rounds over the examples")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same weights (default: 0)")
    return parser


def _add_threshold(parser: argparse.ArgumentParser) -> None:
    what = "least value to pass (default: THRESHOLD in model/data.py)"
    parser.add_argument("--threshold", type=float, help=what)


# only: in-process
def _add_choice(parser: argparse.ArgumentParser) -> None:
    """``--no-optimise``, which is the default where OPTIMISE is 0."""
    parser.add_argument(
        "--optimise",
        action=argparse.BooleanOptionalAction,
        default=os.environ.get("OPTIMISE") != "0",
        help="let the format that is clearly the fastest here be served (default, but for "
        "OPTIMISE=0)",
    )


# end
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
