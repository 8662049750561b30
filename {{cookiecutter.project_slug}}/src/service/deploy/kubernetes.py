"""Kubernetes: Deployments that roll out."""

from service.deploy.cluster import Cluster, Manifests
from service.deploy.commands import run, say


class Kubernetes(Cluster):
    """The service as ``deploy/kubernetes`` has it."""

    kind = "Deployment"
    selector = "app.kubernetes.io/name=service"
    container = "service"

    def wait(self, release: Manifests) -> None:
        """Follow each Deployment until it has rolled out, or its progress deadline is over."""
        for name in sorted(self._names(release.text)):
            if name.startswith("deployment.apps/"):
                say(run("kubectl", "rollout", "status", name).strip())
