"""Import checkpoints into a generated repository, and compare it and its service over HTTP.

``python probe_served.py CHECKPOINT...``, by the repository's Python, with ``src`` and ``tests`` on
its path; reads ``said.json`` in each checkpoint's folder, and prints as JSON its name, what
``probe_checkpoint.py`` measures of its network, and of the service the largest difference of a
score, and the answers that say something else than transformers. One service answers with all in
turn.
"""

import json
import sys
import tempfile
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

import samples
from processes import Process, starting
from service.lifecycle import export, verify
from service.lifecycle.__main__ import main

from families import NEW_TOKENS
from probe_checkpoint import difference
from service import manifest as manifests

SECONDS = 60


def answer(process: Process, text: str, version: int) -> dict[str, Any]:
    """What *version* says of *text*, once it is served."""
    body = text.encode()
    if samples.ROUTE == "/generate":
        body = json.dumps({"text": text, "max_new_tokens": NEW_TOKENS}).encode()
    end = time.monotonic() + SECONDS
    while True:
        status, content = process.ask("POST", samples.ROUTE, body)
        assert status == HTTPStatus.OK, content
        found: dict[str, Any] = json.loads(content)
        if found["model"]["version"] == version:
            return found
        assert time.monotonic() < end, f"Version {version} is not served."
        time.sleep(0.05)


def scored(found: dict[str, Any]) -> dict[Any, float]:
    """By what a service's answer says, how sure it is."""
    if "scores" in found:
        return {each["label"]: each["score"] for each in found["scores"]}
    if "prediction" in found:
        given = found["prediction"]
        return {(each["label"], each["start"], each["end"]): each["score"] for each in given}
    return {found["generated_text"].strip(): 1}


def wanted(said: list[dict[str, Any]]) -> dict[Any, float]:
    """The same of a pipeline's."""
    if "generated_text" in said[0]:
        return {said[0]["generated_text"].strip(): 1}
    return {
        (each["entity_group"], each["start"], each["end"])
        if "entity_group" in each
        else each["label"]: each["score"]
        for each in said
    }


def compare(process: Process, version: int, checkpoint: Path) -> None:
    """Print how the network of *checkpoint* answers, and *version*, which it was, over HTTP."""
    largest, others = 0.0, []
    for text, said in json.loads((checkpoint / "said.json").read_bytes()):
        found, expected = scored(answer(process, text, version)), wanted(said)
        if found.keys() == expected.keys():
            largest = max(largest, *(abs(found[key] - expected[key]) for key in expected))
        else:
            others.append([text, list(found), list(expected)])
    sys.stdout.write(f"{json.dumps([checkpoint.name, *difference(checkpoint), largest, others])}\n")


if __name__ == "__main__":
    # The framework is imported once, and only what is served is exported.
    verify.in_fresh_process = lambda _, folder, each: str(verify.difference_of(folder, each.format))
    export.EXPORTERS = dict(list(export.EXPORTERS.items())[:1])
    scratch = Path(tempfile.mkdtemp())
    models = scratch / "models" / "default"
    into = ["--candidate", str(scratch / "candidate"), "--model-dir", str(models)]
    for path in sys.argv[1:]:
        assert main(["model", "--base-model", path, *into]) == 0, path
    with starting(models, scratch) as start:
        process = start()
        process.wait_until_ready()
        for number, path in enumerate(sys.argv[1:], 1):
            manifests.choose(models, number)
            compare(process, number, Path(path))
