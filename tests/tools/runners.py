"""Programs that execute a repository's pipeline on this machine, one for each CI system.

What they are and what they do not prove stands in ``docs/decisions/0014-pipelines.md``. Each takes
a bare clone, as the system's server has it. In its file three things are changed, because they
cannot be had here: the registry is a local one, the check runs with one Python, and GitLab's jobs
use this machine's Docker engine in place of one in a container.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from locking import locked
from matrix import ROOT
from npm import installed, with_java
from pipelines import FILES, MAKE
from service import CACHE, clean_environ
from shell import commit, git

TOOLS = ROOT.parent / "shared" / "tools"
SECONDS = 2400
BEGUN = re.compile(r"^(?:(?:.*> )?-- |\+ sh |.*\$ )(make [a-z].*)$", re.MULTILINE)
"""How the three say that a command begins."""
DIND = """\
  services:
    - name: $BASE_REGISTRY/docker:28-dind
      alias: docker
"""
CONTAINER = """\
FROM python:3.11-slim
ENV DEBIAN_FRONTEND=noninteractive TORCH_INDEX=
RUN find /etc/apt -name '*.sources' -o -name '*.list' | xargs sed -i s/bookworm/trixie/g \\
    && apt-get update -qq \\
    && apt-get dist-upgrade -y -qq \\
    && apt-get install -y -qq --no-install-recommends git make procps
"""
"""Stands in for ``python:3.11-trixie`` where no image can be pulled."""

PROPERTIES = (
    "new groovy.json.JsonSlurper().parseText(System.getenv('FOLDER_PROPERTIES'))"
    ".each { k, v -> ctx.env[k] = v }"
)
UNSTASH = "new groovy.ant.AntBuilder().copy(todir: cwd) { fileset(dir: stash[n].path) }"
UNSTABLE = 'def unstable(m) { println "[unstable] $m" };'
KEY_FILE = (
    "if (m.credentialsId == 'cosign-key') return [(m.variable): System.getenv('COSIGN_KEY')];"
)


@dataclass
class Settings:
    """What a CI system is told about a repository.

    Args:
        registry: host and port of the registry.
        key: cosign's private key; its password is "secret".
        port: where the started service answers.
        project: the name under which compose runs it.
        deploy: whether the image is deployed, by compose on this machine.
        variables: what the owner has set.
    """

    registry: str
    key: Path
    port: int
    project: str
    deploy: bool = False
    variables: dict[str, str] = field(default_factory=lambda: {"PUBLISH_STARTER": "1"})

    @property
    def image(self) -> str:
        """The image's name, without a tag."""
        return f"{self.registry}/acme/{self.project}"

    def owners(self) -> dict[str, str]:
        """The variables that the owner has set, whatever the system."""
        if not self.deploy:
            return self.variables
        production = f"{self.image}:production"
        return {**self.variables, "DEPLOY_TARGET": "compose", "PRODUCTION": production}

    def environ(self) -> dict[str, str]:
        """Variables that each step has, whatever the system."""
        return {
            "COMPOSE_PROJECT_NAME": self.project,
            "LOADTEST_P95_SECONDS": "5",  # this machine has more to do at a time
            "PORT": str(self.port),
            "URL": f"http://127.0.0.1:{self.port}",
            "COSIGN_KEY": str(self.key),
            "COSIGN_PASSWORD": "secret",
            "COSIGN_FLAGS": "--allow-http-registry",
            "COSIGN_VERIFY_FLAGS": "--allow-http-registry",
            "TORCH_INDEX": os.environ.get("TORCH_INDEX", ""),
        }


@dataclass
class Run:
    """What came of a pipeline."""

    status: int
    log: str

    @property
    def begun(self) -> list[str]:
        """The targets of the steps that began, in order."""
        return [target for line in BEGUN.findall(self.log) for target in MAKE.findall(line)]


def bare_clone(repo: Path, ci: str, registry: str, folder: Path) -> Path:
    """Commit *repo* as it is, with what cannot be had here changed, and clone it."""
    _change(repo / FILES[ci], ci, registry)
    commit(repo, "first")
    clone = folder / "demo.git"
    git(folder, "clone", "--quiet", "--bare", str(repo), str(clone))
    return clone


def _change(path: Path, ci: str, registry: str) -> None:
    text = path.read_text(encoding="utf-8")
    changes = {
        "github-actions": [('["3.11", "3.12", "3.13"]', '["3.11"]'), ("ghcr.io", registry)],
        "gitlab-ci": [
            ('["3.11", "3.12", "3.13"]', '["3.11"]'),
            (DIND, ""),
        ],
        "jenkins": [("'3.11', '3.12', '3.13'", "'3.11'")],
    }
    for old, new in changes[ci]:
        assert old in text, f'"{old}" is not in {path}'
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def tool(name: str) -> str:
    """The text of a runner that lies beside the checkout; skips the test where it does not."""
    path = TOOLS / name
    if not path.is_file():
        pytest.skip(f"../shared/tools/{name} is not there, so no pipeline was executed")
    return path.read_text(encoding="utf-8")


def changed(text: str, *changes: tuple[str, str]) -> str:
    """*text* with each of *changes* made once; ``@`` in a new part stands for the old one."""
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new.replace("@", old))
    return text


def github(clone: Path, settings: Settings, folder: Path) -> Run:
    """By GitHub's own parser and expressions, with stand-ins for actions."""
    modules = installed(
        "github-runner",
        "@actions/expressions@0.3.61",
        "@actions/workflow-parser@0.3.61",
        "yaml@2.9.1",
    )
    runner = folder / "runner"
    runner.mkdir()
    (runner / "node_modules").symlink_to(modules)
    (runner / "jsonhook.mjs").write_text(tool("github-actions/jsonhook.mjs"), encoding="utf-8")
    repository = f"acme/{settings.project}"
    environ = settings.environ() | {
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_WORKFLOW_REF": f"{repository}/.github/workflows/ci.yml@refs/heads/main",
    }
    script = changed(
        tool("github-actions/run.mjs"),
        ("/^(PIP_|UV_|", f"/^({'|'.join(environ)}|PIP_|UV_|"),
        ("vars: {},", "vars: JSON.parse(process.env.REPOSITORY_VARIABLES),"),
        (
            "const ACTIONS = {",
            "const ACTIONS = { 'sigstore/cosign-installer': () => sh('cosign version'),",
        ),
    )
    (runner / "run.mjs").write_text(script, encoding="utf-8")
    work = folder / "work"
    git(folder, "clone", "--quiet", str(clone), str(work))
    return _run(
        [
            *("node", "--import", "./jsonhook.mjs", "run.mjs"),
            str(work / FILES["github-actions"]),
            *(f"--repo={work}", f"--repository={repository}"),
            *("--ref=refs/heads/main", "--event=push"),
        ],
        runner,
        clean_environ() | environ | {"REPOSITORY_VARIABLES": json.dumps(settings.owners())},
    )


def gitlab(clone: Path, settings: Settings, folder: Path) -> Run:
    """By gitlab-ci-local, each job in a container."""
    program = installed("gitlab", "gitlab-ci-local@4.72.0") / ".bin" / "gitlab-ci-local"
    work = folder / "work"
    git(folder, "clone", "--quiet", str(clone), str(work))
    socket = os.environ["DOCKER_HOST"].removeprefix("unix://")
    variables = settings.environ() | {
        "DOCKER_HOST": "unix:///engine.sock",
        "DOCKER_TLS_VERIFY": "",
        "DOCKER_CERT_PATH": "",
        "CI_REGISTRY": settings.registry,
        "CI_REGISTRY_IMAGE": settings.image,
        "CI_REGISTRY_USER": "user",
        "CI_REGISTRY_PASSWORD": "password",
        "COSIGN_KEY": "/cosign.key",
    }
    variables |= settings.owners()
    words = [str(program), "--cwd", "work", "--network", "host"]
    words += ["--pull-policy", "if-not-present", "--ignore-predefined-vars", "CI_REGISTRY"]
    words += ["--volume", f"{socket}:/engine.sock", "--volume", f"{settings.key}:/cosign.key"]
    if os.geteuid() == 0:  # as who the jobs write there
        words += ["--volume", f"{uv_cache()}:/uv"]
        variables["UV_CACHE_DIR"] = "/uv"
    for name, value in variables.items():
        words += ["--variable", f"{name}={value}"]
    return _run(words, folder, clean_environ() | {"HOME": str(folder)})


def jenkins(clone: Path, settings: Settings, folder: Path) -> Run:
    """By a model of declarative pipelines, whose ``sh`` is real, in containers where it says so."""
    jars = installed("groovy-lint", "npm-groovy-lint@16.2.0") / "npm-groovy-lint"
    script = changed(
        tool("jenkins/run.groovy"),
        ("opt.findAll { it.key.startsWith('P_') }", f"{PROPERTIES}\n@"),
        ("def file(Map m) { ", f"@{KEY_FILE} "),
        (UNSTASH, "['cp', '-a', stash[n].path + '/.', cwd].execute().waitFor()"),
        ("def echo(m)", f"{UNSTABLE} @"),
        ("def sc = new GroovyShell", "b.setVariable('env', ctx.env); @"),
    )
    (folder / "run.groovy").write_text(script, encoding="utf-8")
    work = folder / "work"
    git(folder, "clone", "--quiet", str(clone), str(work))
    head = git(work, "rev-parse", "HEAD")
    properties = {
        "IMAGE_NAME": settings.image,
        "GIT_URL": "https://git.example.com/acme/demo.git",
        "GIT_COMMIT": head,
        "BUILD_URL": "https://jenkins.example.com/job/demo/1/",
        "JENKINS_URL": "https://jenkins.example.com/",
        "DOCKER_HOST": os.environ.get("DOCKER_HOST", ""),
        "BRANCH_IS_PRIMARY": "true",
    }
    properties |= settings.owners()
    environ = with_java() | clean_environ() | settings.environ()
    environ["PATH"] = with_java()["PATH"]
    libraries = jars / "lib" / "java" / "groovy" / "lib" / "*"
    return _run(
        [
            *("java", "-cp", str(libraries), "groovy.ui.GroovyMain", "run.groovy"),
            *(str(work / "Jenkinsfile"), f"--ws={work}", "--branch=main"),
        ],
        folder,
        environ | {"FOLDER_PROPERTIES": json.dumps(properties)},
    )


RUNNERS: dict[str, Callable[[Path, Settings, Path], Run]] = {
    "github-actions": github,
    "gitlab-ci": gitlab,
    "jenkins": jenkins,
}


def _run(words: list[str], folder: Path, environ: dict[str, str]) -> Run:
    result = subprocess.run(
        words,
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return Run(result.returncode, re.sub(r"\x1b\[[0-9;]*m", "", result.stdout))


def uv_cache() -> Path:
    """Where uv keeps packages on this machine."""
    return Path(os.environ.get("UV_CACHE_DIR", Path.home() / ".cache" / "uv"))


def container_image() -> None:
    """Build what stands in for the container that jobs run in, unless it is there."""
    name = "python:3.11-trixie"
    with locked("pipelines"):
        there = subprocess.run(
            ["docker", "image", "inspect", name], capture_output=True, check=False
        )
        if there.returncode != 0:
            build = ["docker", "build", "-q", "-t", name, "-"]
            subprocess.run(build, input=CONTAINER, text=True, check=True)


def cosign() -> str:
    """The path of cosign: of what is installed, or of Debian's, out of a container."""
    if found := shutil.which("cosign"):
        return found
    container_image()
    with locked("pipelines"):
        if not (CACHE / "cosign").is_file():
            script = (
                "apt-get update -qq && cd /tmp && apt-get download -qq cosign "
                "&& dpkg-deb -x cosign*.deb . && cp usr/bin/cosign /out/"
            )
            docker = ["docker", "run", "--rm", f"--volume={CACHE}:/out", "python:3.11-trixie"]
            subprocess.run([*docker, "bash", "-c", script], check=True)
    return str(CACHE / "cosign")
