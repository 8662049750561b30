"""API keys are made by commands: a line for a file, or a secret of a cluster."""

import json
import os
import re
import subprocess
import sys
from base64 import b64decode
from hashlib import sha256
from pathlib import Path

from processes import ROOT

from service.web.access import parse


def test_a_key_is_made_with_its_line() -> None:
    command = [sys.executable, "-m", "service.web.access"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    made = subprocess.run(
        [*command, "crm"], env=environment, capture_output=True, text=True, check=True
    )
    (key,) = re.findall(r"again: (\S{43})\n", made.stderr)

    assert made.stdout == f"crm {sha256(key.encode()).hexdigest()}\n"
    assert [each.name for each in parse(made.stdout, "keys")] == ["crm"]
    facts = [*command, "crm scopes=metrics"]
    made = subprocess.run(facts, env=environment, capture_output=True, text=True, check=True)
    assert parse(made.stdout, "keys")[0].scopes == {"metrics"}
    refused = subprocess.run([*command, "a;b"], env=environment, capture_output=True, check=False)
    assert refused.returncode == 1


KUBECTL = """\
#!/usr/bin/env python3
import base64, json, pathlib, sys
kept = pathlib.Path(__file__).with_name("secret.json")
if sys.argv[1] == "apply":
    kept.write_text(sys.stdin.read())
elif kept.exists():
    name = sys.argv[-1].removeprefix("--output=jsonpath={.data.").removesuffix("}")
    print(json.loads(kept.read_text())["data"][name], end="")
"""


def test_keys_of_a_cluster_are_in_a_secret_beside_one_for_prometheus(tmp_path: Path) -> None:
    (tmp_path / "kubectl").write_text(KUBECTL, encoding="utf-8")
    (tmp_path / "kubectl").chmod(0o755)
    environ = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHON": sys.executable,
        "NAME": "mine",
    }

    def keys_sh(name: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = ["bash", str(ROOT / "deploy" / "keys.sh"), name]
        return subprocess.run(
            command, env=environ | more, capture_output=True, text=True, check=False
        )

    def kept() -> dict[str, str]:
        secret = json.loads((tmp_path / "secret.json").read_text(encoding="utf-8"))
        assert secret["metadata"]["name"] == "mine-keys"
        return {name: b64decode(value).decode() for name, value in secret["data"].items()}

    def known() -> dict[str, str]:
        return {each.name: each.sha256 for each in parse(kept()["keys"], "keys")}

    made = keys_sh("crm requests_per_minute=7")
    (key,) = re.findall(r"again: (\S{43})\n", made.stderr)
    first = known()
    hashes = {"prometheus": kept()["metrics"], "crm": key}
    assert first == {name: sha256(value.encode()).hexdigest() for name, value in hashes.items()}
    (metrics, crm) = parse(kept()["keys"], "keys")
    assert metrics.scopes == {"metrics"}
    assert crm.requests_per_minute == 7
    assert kept()["metrics"] not in made.stdout + made.stderr

    keys_sh("batch")
    keys_sh("crm")
    assert known().keys() == {"prometheus", "batch", "crm"}
    assert known()["crm"] != first["crm"]
    before = kept()
    for refused in (keys_sh("a b"), keys_sh("my/key"), keys_sh("none", DELETE="1")):
        assert refused.returncode == 1
        assert "error: " in refused.stderr
    assert kept() == before

    said = keys_sh("crm", DELETE="1").stdout
    assert known().keys() == {"prometheus", "batch"}
    assert said.endswith("Their keys:\n  prometheus\n  batch\n")
    assert kept()["metrics"] == before["metrics"]
