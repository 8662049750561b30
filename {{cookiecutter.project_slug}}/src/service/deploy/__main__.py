"""``python -m service.deploy``: what ``make deploy`` and ``make rollback`` call."""

import argparse
import os
import signal
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from service.deploy.commands import DeployError
from service.deploy.compose import Compose
from service.deploy.kserve import KServe
from service.deploy.kubernetes import Kubernetes
from service.deploy.releases import Target, deploy, roll_back

TARGETS = ("compose", "kubernetes", "kserve")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit status: 0, or 1 when what was asked for does not run.
    """
    parser = argparse.ArgumentParser(prog="python -m service.deploy")
    parser.add_argument("command", choices=["deploy", "rollback"])
    parser.add_argument("--target", default="", help=" or ".join(TARGETS))
    parser.add_argument("--overlay", default="cpu", help="a folder of deploy/kubernetes/overlays")
    parser.add_argument("--image", default="", help="the image to run")
    parser.add_argument("--url", default="", help="where to ask it; when empty, inside of it")
    options = parser.parse_args(arguments)
    try:
        target = _target(options)
        if options.command == "deploy":
            deploy(target, options.image)
        else:
            roll_back(target)
    except DeployError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def _target(options: argparse.Namespace) -> Target[Any]:
    """Where the service is to run.

    Raises:
        DeployError: there is no such target, or no such overlay.
    """
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]
    match options.target:
        case "compose":
            return Compose(os.environ.get("COMPOSE_PROJECT_NAME") or project, options.url)
        case "kserve":
            return KServe(project, Path("deploy/kserve"), options.url)
        case "kubernetes":
            overlays = Path("deploy/kubernetes/overlays")
            if not (overlays / options.overlay / "kustomization.yaml").is_file():
                known = ", ".join(sorted(each.name for each in overlays.iterdir()))
                raise DeployError(f'OVERLAY is "{options.overlay}"; it must be one of {known}.')
            return Kubernetes(project, overlays / options.overlay, options.url)
    raise DeployError(f'TARGET is "{options.target}"; it must be one of {", ".join(TARGETS)}.')


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
