"""The inputs of one request, preprocessed a few at a time and within the caller's time."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from service.errors import BadValue, DeadlineExceeded, InvalidInput, ProblemField
from service.owner import Prepared, Task


class Preprocessing:
    """Preprocesses for all requests of a process, so many inputs *at_a_time*."""

    def __init__(self, at_a_time: int) -> None:
        self._turns = threading.BoundedSemaphore(at_a_time)

    def run(
        self, task: Task, values: Sequence[bytes | str], names: Sequence[str], deadline: float
    ) -> list[Prepared]:
        """What the model of *task* reads for each of *values*.

        Raises:
            InvalidInput: one or more cannot be read; names each.
            DeadlineExceeded: ``time.monotonic()`` is past *deadline*.
        """
        try:
            with self._turn(deadline):
                task.check_request(values)
        except BadValue as error:
            raise InvalidInput.of("body", str(error)) from None
        prepared, wrong = [], []
        for name, value in zip(names, values, strict=True):
            try:
                with self._turn(deadline):
                    prepared.append(task.preprocess(value))
            except BadValue as error:
                wrong.append(ProblemField(field=name, detail=str(error)))
        if wrong:
            raise InvalidInput(f"{wrong[0].field}: {wrong[0].detail}", fields=wrong)
        return prepared

    @contextmanager
    def _turn(self, deadline: float) -> Iterator[None]:
        left = deadline - time.monotonic()
        if left <= 0 or not self._turns.acquire(timeout=left):
            raise DeadlineExceeded("No answer in the time that the caller waits.")
        try:
            yield
        finally:
            self._turns.release()
