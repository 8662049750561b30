"""Install packages from where pip finds them: uv by itself reads none of pip's settings.

usage: packages.py VENV environment            make VENV, with uv inside
       packages.py VENV install                install what requirements.lock says
       packages.py VENV run COMMAND            run a uv command with pip's settings
       packages.py VENV lock COMMAND           the same, without folders of this machine
       packages.py VENV build COMMAND          build an image, its packages from the same places
"""

import ast
import json
import os
import platform
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LOCK = Path("requirements.lock")
SECRETS = Path("/run/secrets")  # in an image's build
WHEELS = Path("/run/wheels")  # there as well, for one without a network
IS_CLOSED = any(WHEELS.glob("*.whl"))
# pip's option: uv's variable, and what stands between its values.
OPTIONS = {
    "index-url": ("UV_DEFAULT_INDEX", ""),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "constraint": ("UV_CONSTRAINT", " "),
    "timeout": ("UV_HTTP_TIMEOUT", ""),
    "default-timeout": ("UV_HTTP_TIMEOUT", ""),
    "retries": ("UV_HTTP_RETRIES", ""),
    "cert": ("SSL_CERT_FILE", ""),
    "client-cert": ("SSL_CLIENT_CERT", ""),
}
CERTIFICATES = {"SSL_CERT_FILE": "ca", "SSL_CLIENT_CERT": "client"}  # variable: secret
PLACES = {"UV_DEFAULT_INDEX", "UV_INDEX", "UV_FIND_LINKS", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL"}
FOR_BUILDS = re.compile("UV_(DEFAULT_|EXTRA_)?INDEX|UV_(FIND_LINKS|INSECURE|HTTP)|HTTPS?_PROXY")


def pip_options(listed: str) -> dict[str, str]:
    """The options for installing in *listed*, which ``pip config list`` printed."""
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if section in sections and (given := str(ast.literal_eval(value))):  # pip skips ""
            sections[section][option] = given
    return sections["global"] | sections["install"] | sections[":env:"]


def uv_variables(options: Mapping[str, str]) -> dict[str, str]:
    """The environment variables that tell uv what *options* tell pip."""
    variables = {}
    for option, (name, separator) in OPTIONS.items():
        values = options.get(option, "").split()
        if option in {"find-links", "constraint", "cert", "client-cert"}:
            values = [v if "://" in v else str(Path(v).expanduser().absolute()) for v in values]
        if values:
            variables[name] = separator.join(values) if separator else values[0]
    if "UV_INDEX" in variables:
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip does; the lock has hashes
    if options.get("no-index", "0").lower() in {"1", "true", "yes", "on"}:
        variables.pop("UV_INDEX", None)
        variables["UV_DEFAULT_INDEX"] = "file:///nonexistent"  # uv has no variable for it
    if options.get("proxy"):
        variables |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), options["proxy"])
    if options.get("keyring-provider", "auto") in {"import", "subprocess"}:
        variables["UV_KEYRING_PROVIDER"] = "subprocess"
    return variables


def without_local_places(variables: Mapping[str, str]) -> dict[str, str]:
    """*variables* without the folders and files that other machines lack."""
    kept = dict(variables)
    for name in (PLACES | {"UV_CONSTRAINT"}) & kept.keys():
        separator = "," if name == "UV_FIND_LINKS" else " "
        shared = [v for v in kept.pop(name).split(separator) if re.search("https?://", v)]
        if shared:
            kept[name] = separator.join(shared)
    return kept


def settings(venv: Path) -> dict[str, str]:
    """The environment with uv's variables: its own win over those from pip's settings."""
    variables = {}
    if ssl.create_default_context().cert_store_stats()["x509_ca"]:
        variables["UV_SYSTEM_CERTS"] = "true"
    for python in filter(Path.exists, (venv / "bin" / "python", Path(sys.executable))):
        listed = run(python, "-m", "pip", "config", "list", check=False)
        if listed.returncode == 0:
            variables |= uv_variables(pip_options(listed.stdout))
            break
    if (secret := SECRETS / "uv").is_file():
        variables |= json.loads(secret.read_text(encoding="utf-8"))
    for variable, name in CERTIFICATES.items():
        if (secret := SECRETS / name).is_file():
            variables[variable] = str(secret)
    if IS_CLOSED:
        variables |= uv_variables({"find-links": str(WHEELS), "no-index": "1"})
    own = {name: value for name, value in os.environ.items() if name.startswith("UV_") and value}
    return {**os.environ, **variables, **own}


def uv_pip_install(venv: Path) -> list[str]:
    """The start of a command that installs into *venv*."""
    uv = shutil.which("uv", path=venv / "bin") or "uv"
    return [uv, "pip", "install", f"--python={venv / 'bin' / 'python'}"]


def run(*command: str | Path, check: bool = True, **how: Any) -> subprocess.CompletedProcess[str]:
    """Run *command*: shown, and the end of this program where it fails, or quietly."""
    done = subprocess.run(command, text=True, capture_output=not check, check=False, **how)
    if check and done.returncode:
        sys.exit(done.returncode)
    return done


def refuse_wrong_python(project: str) -> None:
    """End with a sentence where packages have no builds; *project* is ``pyproject.toml``."""
    this = f"error: {sys.executable} is Python {platform.python_version()}"
    below = re.search(r'^requires-python = ".*<3\.(\d+)"', project, re.MULTILINE)
    if below and sys.version_info >= (3, int(below[1])):
        newest = f"3.{int(below[1]) - 1}"
        sys.exit(
            f"{this}, for which not all packages have builds yet; 3.11 to {newest} are accepted. "
            f"Name another: make install PYTHON=python{newest}"
        )
    if (platform.system(), platform.machine()) == ("Darwin", "x86_64"):
        sys.exit(
            f"{this} for Intel Macs, for which the framework has no builds any more. On "
            "Apple silicon, name an arm64 Python by PYTHON=; else work in a Linux container."
        )


def make_environment(venv: Path) -> None:
    """Make *venv*, with uv inside, unless it works."""
    python = venv / "bin" / "python"
    if not python.exists() or run(python, "-c", "import pip", check=False).returncode:
        if (venv / "pyvenv.cfg").exists():
            print(f"{venv} has lost its Python, so it is made again.", flush=True)
            shutil.rmtree(venv)
        run(sys.executable, "-m", "venv", venv)
    (pin,) = re.findall(r"^uv==.*\n(?:    --hash=.*\n)+", LOCK.read_text("utf-8"), re.MULTILINE)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(pin)
        file.flush()
        hashed = ("--require-hashes", "--requirement", file.name)
        run(python, "-m", "pip", "install", "--quiet", *hashed)


def build(command: list[str], environ: Mapping[str, str]) -> None:
    """Run *command*, which builds an image, with uv's variables in secrets: no layer keeps them."""
    shared = without_local_places(environ)
    lost = [name for name in PLACES if environ.get(name) != shared.get(name)]
    if lost and not any(word.startswith("wheels=") for word in command):
        print(f"The build has no folders of this machine, which are in {', '.join(lost)}.")
    variables = {name: value for name, value in shared.items() if FOR_BUILDS.match(name)}
    secrets = ["--secret", "id=uv,env=UV_SETTINGS"]
    for variable, name in CERTIFICATES.items():
        if environ.get(variable):
            secrets += ["--secret", f"id={name},src={environ[variable]}"]
    run(*command, *secrets, env={**os.environ, "UV_SETTINGS": json.dumps(variables)})


def main(venv: Path, verb: str, *words: str) -> None:
    """Do *verb*, as the usage above says."""
    if verb == "environment":
        refuse_wrong_python(Path("pyproject.toml").read_text(encoding="utf-8"))
        make_environment(venv)
    elif verb == "install":
        run(*uv_pip_install(venv), "--requirements", "requirements.lock", env=settings(venv))
    elif verb == "build":
        build(list(words), settings(venv))
    else:
        environ = settings(venv)
        run(*words, env=without_local_places(environ) if verb == "lock" else environ)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), *sys.argv[2:])
