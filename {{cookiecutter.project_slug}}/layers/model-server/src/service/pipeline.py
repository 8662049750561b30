"""Joins task and model server, and watches over the server.

# only: predict
Preprocessing and postprocessing run in the request's thread, the model in the server.
# end
# only: text-generation
A thread for each sequence takes its tokens from the server; they become text in the request's
thread.
# end
"""

# only: text-generation
import contextlib
# end
import threading
import time
# only: predict
from collections.abc import Callable, Iterator, Sequence
# end
# only: text-generation
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from math import ceil
# end
from typing import Protocol

import numpy as np
# only: predict
from structlog.contextvars import bind_contextvars

from service import manifest as manifests
from service import tracing
from service.errors import Garbage, NotReady, ServerError
from service.logs import log
from service.manifest import Arrays, Manifest, ModelVersion, Tensor
# end
# only: text-generation

from service import manifest as manifests
from service.errors import CallerError, NotReady, QueueFull, ServerError
from service.logs import log
from service.manifest import Manifest, ModelVersion
# end
from service.metrics import Metrics
from service.model_server import ModelServer
# only: predict
from service.owner import Prediction, Task
from service.preprocessing import Preprocessing
from service.settings import Settings
# end
# only: text-generation
from service.owner import Task
from service.sampling import Sampling
from service.settings import Settings
from service.texts import (
    Answer,
    Answers,
    Ending,
    FinishReason,
    Generation,
    Prompt,
    TextStream,
    to_prompt,
)
# end
from service.upstream import Upstream

_WATCH_SECONDS = 1.0
"""Between two probes of a server that is well."""
_SEARCH_SECONDS = 0.2
"""Between two probes of one that is not."""
_PROBE_SECONDS = 2.0
"""Time limit of a probe."""
_MOST_MISSES = 1
"""Failed probes in a row that a server which was well may have: one may meet a moment's hitch."""
# only: text-generation
_SMOOTHING = 0.1
"""Weight of the newest text in the measured time per text."""
# end


class WrongModel(Exception):
    """The model server answers golden inputs otherwise than the exported model did."""


class Server(Protocol):
    """A client of a model server, for one version of a model. Used by many threads."""

    def is_ready(self, *, timeout_seconds: float) -> bool:
        """Whether the server serves the version; ``ServerError`` where it does not say."""

    # only: predict
    def predict(self, batch: Arrays, *, timeout_seconds: float) -> Arrays:
        """The outputs for *batch*, with its leading axis; ``ServerError`` where there are none."""

    # end
    # only: text-generation
    def generate(
        self,
        prompt: Prompt,
        *,
        timeout_seconds: float,
        has_left: Callable[[], bool] | None = None,
    ) -> "Generator[int | FinishReason]":
        """The tokens that follow *prompt*, and at last why there are no more.

        To be closed, so that the server hears that nobody waits; *has_left* is asked for that while
        no token comes. ``ServerError`` where there is no answer within the time, or it is none.
        """

    # end
    def close(self) -> None:
        """Close the connections."""


class Pipeline:
    """Serves one version of a model, while the model server has it and is well.

    A thread probes the server, and compares its answers to the golden inputs before the first call.

    Args:
        settings: which version, and where the server is.
        metrics: where it counts.
        on_failure: told once when a bug has ended the watch over the server.
        connect: makes the server's client.

    Raises:
        OwnerError: there is no such version.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        on_failure: Callable[[Exception], None],
        connect: Callable[[Settings, Manifest], Server] = ModelServer,
    ) -> None:
        self.folder = manifests.find_version(settings.model_dir, settings.model_version)
        self.manifest = manifests.read(self.folder)
        self.task = Task(self.folder, self.manifest, settings)
        self.server = connect(settings, self.manifest)
        self.is_draining = False
        self._metrics = metrics
        self._on_failure = on_failure
        self._upstream = Upstream(
            metrics,
            url=settings.model_server_url,
            failures=settings.circuit_failures,
            patience_seconds=settings.request_timeout_seconds / 2,
        )
        self._is_known = False  # as the right model, since it was last seen ill
        self._misses = 0  # probes that have failed in a row
        self._reason = ""
        self._closed = threading.Event()
        self._watch = threading.Thread(target=self._probe_on, name="watch", daemon=True)
        # only: predict
        self.format_name = self.manifest.artefacts[0].format
        self._max_batch_size = settings.max_batch_size
        self._preprocessing = Preprocessing(settings.max_preprocessing)
        # end
        # only: text-generation
        self._settings = settings
        self._running = 0
        self._seconds_per_text = 0.0  # as measured
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(settings.max_running_sequences, "sequence")
        # end

    @property
    def model_version(self) -> ModelVersion:
        return self.manifest.model_version

    def start(self) -> None:
        """Begin to watch over the server; returns at once."""
        self._watch.start()

    def drain(self) -> None:
        """Say "not ready" from now on, but go on answering."""
        self.is_draining = True
        log.info("draining")

    def close(self) -> None:
        # only: predict
        """Stop calling the server."""
        # end
        # only: text-generation
        """Wait for the running sequences, then stop calling the server."""
        self._threads.shutdown()
        # end
        self._closed.set()
        if self._watch.is_alive():
            self._watch.join()
        self.server.close()

    @property
    def is_live(self) -> bool:
        """The watch goes on. A server that is ill is no reason to restart this process."""
        return self._watch.is_alive()

    @property
    def is_ready(self) -> bool:
        """The server has the right model and is well, and the service is not about to stop."""
        return self._is_well and not self.is_draining

    @property
    def _is_well(self) -> bool:
        return self._is_known and not self._upstream.breaker.is_open

    # only: predict
    def predict(
        self, values: Sequence[bytes | str], names: Sequence[str], *, timeout_seconds: float
    ) -> list[Prediction]:
        """Predict all *values* of one request.

        Args:
            values: what the task reads.
            names: where in the request each stands, for errors.
            timeout_seconds: how long the caller waits.

        Raises:
            InvalidInput: one or more cannot be read; names each.
            CallerError: as :meth:`run`.
        """
        deadline = time.monotonic() + timeout_seconds
        with self._metrics.preprocess_seconds.time():
            prepared = self._preprocessing.run(self.task, values, names, deadline)
        outputs = self.run([each.arrays for each in prepared], deadline=deadline)
        return [
            self.task.postprocess(each, output)
            for each, output in zip(prepared, outputs, strict=True)
        ]

    def run(self, arrays: Sequence[Arrays], *, deadline: float) -> list[Arrays]:
        """The model's outputs for *arrays*, each one input without a batch axis.

        Inputs of equal shapes go to the server together, which shares its batches among all
        requests.

        Args:
            arrays: as the task prepares them, or as a caller sent them.
            deadline: ``time.monotonic()`` when the caller gives up.

        Raises:
            NotReady, QueueFull, DeadlineExceeded, ModelFailed, ModelServerFailed,
            ModelServerUnavailable: as their names say.
        """
        self._check_known()
        found: dict[int, Arrays] = {}
        for numbers in _alike(arrays, self._max_batch_size):
            batch = _stack([arrays[number] for number in numbers])
            bind_contextvars(batch=len(numbers))
            with (
                self._upstream.turn(deadline),
                tracing.batch([tracing.current()] * len(numbers)),
                self._upstream.call(deadline) as seconds,
            ):
                outputs = self._call(batch, seconds)
            for row, number in enumerate(numbers):
                found[number] = {name: array[row] for name, array in outputs.items()}
        return [found[number] for number in range(len(arrays))]

    # end
    # only: text-generation
    def generate(self, generations: Sequence[Generation], *, timeout_seconds: float) -> TextStream:
        """Begin all *generations* of one request, or none.

        Raises:
            InvalidInput: a prompt has tokens that the model does not know, or too many.
            NotReady, ModelServerUnavailable, QueueFull: as their names say.
        """
        deadline = time.monotonic() + timeout_seconds
        prompts = [
            to_prompt(generation, self.task, self._settings.max_new_tokens)
            for generation in generations
        ]
        self._check_known()
        self._take_places(len(prompts))
        answers = Answers(prompts, deadline)
        for answer in answers.each:
            self._threads.submit(copy_context().run, self._follow, answer, deadline)
        return TextStream(answers, generations, self.task.tokenizer)

    # end
    def _check_known(self) -> None:
        """Raise ``NotReady`` or ``ModelServerUnavailable`` where the server may not be called."""
        self._upstream.check()
        if not self._is_known:
            raise NotReady("The model server is not ready.", retry_after_seconds=1)

    def _probe_on(self) -> None:
        try:
            while not self._closed.is_set():
                self._probe()
                well = self._is_well and not self._misses
                self._closed.wait(_WATCH_SECONDS if well else _SEARCH_SECONDS)
        except Exception as error:  # noqa: BLE001  # a bug; /livez fails from now on
            self._on_failure(error)

    def _probe(self) -> None:
        started = time.monotonic()
        try:
            if not self.server.is_ready(timeout_seconds=_PROBE_SECONDS):
                self._miss("the model server does not serve this version")
                return
            if not self._is_well:
                self._check_model()
                self._upstream.breaker.close()
                self._found(time.monotonic() - started)
            self._misses = 0
        except ServerError as error:
            if self._upstream.answered < started:  # else it is busy, and well
                self._miss(str(error))
        except WrongModel as error:
            self._lost(f"the model server has another model: {error}")
        finally:
            self._metrics.circuit_open.set(self._upstream.breaker.is_open)

    def _found(self, seconds: float) -> None:
        self._is_known = True
        self._reason = ""
        facts = self.manifest
        labels = (facts.name, facts.version, facts.task, facts.artefacts[0].format)
        self._metrics.model_info.clear()
        self._metrics.model_info.labels(*labels).set(1)
        log.info("ready", model=str(self.folder), seconds=round(seconds, 2))

    def _miss(self, reason: str) -> None:
        """Count a probe that failed; too many in a row lose the server."""
        self._misses += 1
        if not self._is_known or self._misses > _MOST_MISSES:
            self._lost(reason)

    def _lost(self, reason: str) -> None:
        if self._is_known:
            self._upstream.breaker.open()
        self._is_known = False
        if reason != self._reason:
            log.warning("model_server_not_ready", model=str(self.folder), reason=reason)
        self._reason = reason

    # only: predict
    def _check_model(self) -> None:
        """Compare the server's answers to the golden inputs."""
        inputs, expected = manifests.read_golden(self.folder)
        batch = {name: array[: self._max_batch_size] for name, array in inputs.items()}
        expected = {name: array[: self._max_batch_size] for name, array in expected.items()}
        difference = manifests.largest_difference(expected, self._call(batch, _PROBE_SECONDS))
        if difference > self.manifest.tolerance:
            raise WrongModel(
                f"its answers to the golden inputs differ by {difference:.3g}, at most "
                f"{self.manifest.tolerance:.3g} is accepted"
            )

    def _call(self, batch: Arrays, seconds: float) -> Arrays:
        """Call the server; ``Garbage`` where its answer does not fit the signature."""
        outputs = self.server.predict(batch, timeout_seconds=seconds)
        rows = len(next(iter(batch.values())))
        for tensor in self.manifest.signature.outputs:
            _check(tensor, outputs, rows)
        return outputs
    # end
    # only: text-generation
    def _check_model(self) -> None:
        """Compare what follows the golden prompts."""
        inputs, outputs = manifests.read_golden(self.folder)
        for row in np.flatnonzero(inputs["lengths"] == 0):
            expected = int(outputs["logits"][row].argmax())
            prompt = Prompt(inputs["tokens"][row].tolist(), Sampling(), 1, frozenset())
            with contextlib.closing(
                self.server.generate(prompt, timeout_seconds=_PROBE_SECONDS)
            ) as items:
                found = next(items)
            if found != expected:
                raise WrongModel(
                    f"golden prompt {row} is followed by token {found}, by {expected} was expected"
                )

    def _take_places(self, count: int) -> None:
        """Make room for *count* sequences, or for none."""
        most = self._settings.max_running_sequences
        with self._lock:
            if self._running + count > most:
                raise QueueFull(
                    f"{self._running} texts are being generated, and {count} more would be over "
                    f"the {most} that may.",
                    retry_after_seconds=max(1, ceil(self._seconds_per_text * count / most)),
                )
            self._running += count
            self._metrics.running.set(self._running)

    def _follow(self, answer: Answer, deadline: float) -> None:
        """Give *answer* its tokens as they come, to the end."""
        ending: Ending = "failed"
        try:
            ending = answer.given_up or self._give(answer, deadline)
        except CallerError as error:
            answer.put(error)
        except Exception as error:  # noqa: BLE001  # a bug; the waiting caller has to hear of it
            log.exception("sequence_failed", error=repr(error))
            answer.put(CallerError("Something went wrong here."))
        finally:
            self._metrics.endings.labels(ending).inc()
            newest = time.monotonic() - answer.since
            with self._lock:
                self._running -= 1
                known = self._seconds_per_text or newest
                self._seconds_per_text = known + _SMOOTHING * (newest - known)
                self._metrics.running.set(self._running)

    def _give(self, answer: Answer, deadline: float) -> Ending:
        """Hand tokens on until the end, or until nobody waits; gives the ending."""
        metrics, prompt = self._metrics, answer.prompt
        with (
            self._upstream.call(deadline) as seconds,
            contextlib.closing(
                self.server.generate(
                    prompt,
                    timeout_seconds=seconds,
                    has_left=lambda: answer.given_up is not None,
                )
            ) as items,
        ):
            for number, item in enumerate(items):
                if ending := answer.given_up:
                    return ending
                if number == 0:
                    metrics.prompt_tokens.inc(len(prompt.tokens))
                    waited = time.monotonic() - answer.since
                    metrics.first_token_seconds.observe(waited)
                    answer.times["first_token_milliseconds"] = round(waited * 1000, 2)
                answer.put(item)
                if isinstance(item, str):
                    return item
                metrics.generated_tokens.inc()
        if ending := answer.given_up:
            return ending
        raise AssertionError("a stream ends with its reason")
    # end
# only: predict


def _alike(arrays: Sequence[Arrays], most: int) -> Iterator[list[int]]:
    """Numbers of inputs that can be stacked, at most so many at a time."""
    by_shapes: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for number, each in enumerate(arrays):
        shapes = tuple(array.shape for array in each.values())
        by_shapes.setdefault(shapes, []).append(number)
    for numbers in by_shapes.values():
        for start in range(0, len(numbers), most):
            yield numbers[start : start + most]


def _stack(arrays: Sequence[Arrays]) -> Arrays:
    return {name: np.stack([each[name] for each in arrays]) for name in arrays[0]}


def _check(tensor: Tensor, outputs: Arrays, rows: int) -> None:
    """Raise ``Garbage`` unless *outputs* have *tensor*, for so many rows."""
    array = outputs.get(tensor.name)
    if array is None:
        raise Garbage(f'the answer has no "{tensor.name}", but {", ".join(outputs) or "nothing"}')
    wanted = (rows, *tensor.shape[1:])
    fits = len(array.shape) == len(wanted) and all(
        size in {None, found} for size, found in zip(wanted, array.shape, strict=True)
    )
    if not fits or array.dtype != tensor.dtype:
        raise Garbage(
            f'"{tensor.name}" is {array.dtype} {array.shape}, {tensor.dtype} {wanted} was expected'
        )
# end
