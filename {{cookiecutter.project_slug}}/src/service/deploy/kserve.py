"""KServe: an InferenceService that becomes ready."""

import time

from service.deploy.cluster import Cluster, Manifests, Object, is_true
from service.deploy.commands import DeployError

WAIT_SECONDS = 600


class KServe(Cluster):
    """The service as ``deploy/kserve`` has it."""

    kind = "InferenceService"
    selector = "serving.kserve.io/inferenceservice=service"
    container = "kserve-container"

    def wait(self, release: Manifests) -> None:
        """Return when the last revision is ready and is the one that is routed to."""
        end = time.monotonic() + WAIT_SECONDS
        while True:
            (found,) = self._live(release.text)
            if has_taken_over(found):
                return
            if time.monotonic() > end:
                raise DeployError(f"The InferenceService was not ready in {WAIT_SECONDS} seconds.")
            time.sleep(1)


def has_taken_over(found: Object) -> bool:
    """Whether the InferenceService *found* serves what it was last applied as."""
    status = found.get("status", {})
    predictor = status.get("components", {}).get("predictor", {})
    return (
        status.get("observedGeneration") == found["metadata"]["generation"]
        and predictor.get("latestReadyRevision") == predictor.get("latestCreatedRevision")
        and is_true(found, "Ready")
    )
