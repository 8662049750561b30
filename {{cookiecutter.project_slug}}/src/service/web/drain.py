"""The signal that makes the worker fail /readyz before it stops."""

import signal

DRAIN_SIGNAL = signal.SIGUSR1
