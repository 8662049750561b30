"""How the server's parent process tells the serving one that the end is near."""

import signal

DRAIN_SIGNAL = signal.SIGUSR1
