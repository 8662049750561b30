"""The smoke test, run inside of a container: it needs no way to the service from here.

The test itself and its examples are sent along, so nothing of them has to be in the image.
"""

import io
import tarfile
from pathlib import Path

from service import smoke
from service.deploy.commands import DeployError, run, say

_UNPACK_AND_ASK = """
import os, runpy, sys, tarfile, tempfile
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as sent:
        sent.extractall(filter="data")
    sys.argv = ["smoke", "http://127.0.0.1:8000"]
    runpy.run_path("smoke.py", run_name="__main__")
"""


def ask_inside(*container: str, examples: Path = Path("examples")) -> None:
    """Ask the service in a container, and show what it answers.

    Args:
        container: the command that runs another one in the container, its standard input open.
        examples: the folder with the questions.

    Raises:
        DeployError: the service does not answer as it must.
    """
    sent = io.BytesIO()
    with tarfile.open(fileobj=sent, mode="w") as archive:
        archive.add(smoke.__file__, "smoke.py")
        archive.add(examples, "examples")
    said = run(*container, "python", "-c", _UNPACK_AND_ASK, given=sent.getvalue())
    say(said.strip())


def ask_at(url: str, examples: Path = Path("examples")) -> None:
    """Ask the service at *url*, and show what it answers.

    Raises:
        DeployError: the service does not answer as it must.
    """
    try:
        smoke.wait_until_ready(url, timeout_seconds=60)
        for example in smoke.read_examples(examples):
            smoke.check(example, smoke.ask(url, example))
    except smoke.SmokeError as error:
        raise DeployError(str(error)) from None
