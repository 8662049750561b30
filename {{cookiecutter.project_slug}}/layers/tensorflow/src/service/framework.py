"""TensorFlow and Keras, imported in one place, with their start-up chatter off."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors; read once, at the import


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Hold back what native code writes to stderr; give it out only if the block fails.

    TensorFlow's first lines come before its log level counts.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


with _silent_stderr():
    import keras
    import tensorflow as tf

__all__ = ["keras", "tf"]
