"""Run the model server of a generated repository's own tests, until SIGTERM.

Run in the repository by the Python of its environment, with ``src`` and ``tests`` on its path, a
model's folder and one for logs. Prints the environment of a service that asks it.
"""

import json
import signal
import sys
from pathlib import Path

from model_servers import running_server

with running_server(Path(sys.argv[1]), Path(sys.argv[2])) as server:
    signal.signal(signal.SIGTERM, lambda *_: None)
    print(json.dumps(server.settings), flush=True)
    signal.pause()
