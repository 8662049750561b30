"""In which order a release is brought to where it runs, and how it is put back."""

import re

import pytest

from service.deploy.__main__ import main
from service.deploy.commands import DeployError, run
from service.deploy.images import first_image, with_image
from service.deploy.kserve import has_taken_over
from service.deploy.releases import deploy, roll_back


class Host:
    """A target that writes down what is done, and fails where it is told to."""

    def __init__(self, *, before: str | None, failing: str = "") -> None:
        self.now = before
        self.last: str | None = None
        self.failing = failing
        self.done: list[str] = []

    def made_of(self, image: str) -> str:
        return image

    def running(self) -> str | None:
        return self.now

    def previous(self) -> str | None:
        return self.last

    def start(self, release: str) -> None:
        self._do(f"start {release}")
        self.now = release

    def ask(self, release: str) -> None:
        self._do(f"ask {release}")

    def explain(self) -> None:
        self._do("explain")

    def remove(self) -> None:
        self._do("remove")

    def remember(self, release: str) -> None:
        self.last = release

    def forget(self) -> None:
        self.last = None

    def _do(self, step: str) -> None:
        self.done.append(step)
        if re.fullmatch(self.failing, step):
            raise DeployError(f"cannot {step}")


def test_a_release_is_started_and_asked_and_the_last_one_remembered() -> None:
    host = Host(before="one")

    deploy(host, "two")

    assert host.done == ["start two", "ask two"]
    assert (host.now, host.last) == ("two", "one")


@pytest.mark.parametrize("step", ["start two", "ask two"])
def test_where_a_step_fails_what_ran_before_is_put_back(step: str) -> None:
    host = Host(before="one", failing=step)
    host.last = "zero"

    with pytest.raises(DeployError, match=f"what ran before, one, runs again.\ncannot {step}"):
        deploy(host, "two")

    assert host.done[-3:] == ["explain", "start one", "remove"]
    assert (host.now, host.last) == ("one", "zero")


def test_a_first_release_that_fails_is_removed() -> None:
    host = Host(before=None, failing="ask one")

    with pytest.raises(DeployError, match="nothing ran before, so what was started has been"):
        deploy(host, "one")

    assert host.done == ["start one", "ask one", "explain", "remove"]


def test_where_nothing_can_be_put_back_the_owner_is_told() -> None:
    with pytest.raises(DeployError, match="one, IS NOT RESTORED: cannot start one"):
        deploy(Host(before="one", failing="start .*"), "two")


def test_an_interrupted_deployment_is_put_back_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_release: str) -> None:
        raise KeyboardInterrupt

    host = Host(before="one")
    monkeypatch.setattr(host, "ask", interrupt)

    with pytest.raises(DeployError, match=r"what ran before, one, runs again.\nit was interrupted"):
        deploy(host, "two")


def test_a_rollback_goes_back_once() -> None:
    host = Host(before="one")
    deploy(host, "two")

    roll_back(host)

    assert host.done[-2:] == ["start one", "ask one"]
    with pytest.raises(DeployError, match="nothing to go back to"):
        roll_back(host)


def test_a_rollback_that_fails_leaves_what_runs() -> None:
    host = Host(before="one")
    deploy(host, "two")
    host.failing = "ask one"

    with pytest.raises(DeployError, match="what ran before, two, runs again"):
        roll_back(host)

    assert (host.now, host.last) == ("two", "one")


@pytest.mark.parametrize(
    ("image", "told"),
    [
        ("name:1", {"newName": "name", "newTag": "1"}),
        ("host:5000/me/name:1.0", {"newName": "host:5000/me/name", "newTag": "1.0"}),
        ("host/name@sha256:00", {"newName": "host/name", "digest": "sha256:00"}),
    ],
)
def test_an_image_is_named_as_kustomize_wants_it(image: str, told: dict[str, str]) -> None:
    assert with_image(["service"], image) == [{"name": "service", **told}]


def test_an_image_that_belongs_to_it_is_named_after_it() -> None:
    named = {each["name"]: each["newTag"] for each in with_image(["other", "service"], "me/name:1")}

    assert named == {"service": "1", "other": "1-other"}


@pytest.mark.parametrize("image", ["name", "host:5000/me/name"])
def test_an_image_without_a_tag_is_refused(image: str) -> None:
    with pytest.raises(DeployError, match=f'IMAGE is "{image}", which has no tag'):
        with_image(["service"], image)


def test_a_digest_names_one_image_alone() -> None:
    with pytest.raises(DeployError, match="2 images belong together"):
        with_image(["other", "service"], "name@sha256:00")


def test_a_release_is_known_by_the_first_image_in_it() -> None:
    containers = [{"name": "a", "image": "name:1"}, {"name": "b", "image": "name:1-b"}]

    assert first_image([{"kind": "Other"}, {"spec": {"containers": containers}}]) == "name:1"
    assert first_image([]) == "an unknown image"


@pytest.mark.parametrize(
    ("generation", "ready_revision", "ready", "expected"),
    [
        (2, "b", "True", True),
        (1, "b", "True", False),
        (2, "a", "True", False),
        (2, "b", "False", False),
    ],
)
def test_an_inference_service_has_taken_over_when_its_last_revision_is_ready(
    generation: int, ready_revision: str, ready: str, *, expected: bool
) -> None:
    revisions = {"latestCreatedRevision": "b", "latestReadyRevision": ready_revision}
    status = {
        "observedGeneration": generation,
        "components": {"predictor": revisions},
        "conditions": [{"type": "Ready", "status": ready}],
    }

    assert has_taken_over({"metadata": {"generation": 2}, "status": status}) is expected


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        ([], 'TARGET is "".*one of compose, kubernetes, kserve'),
        (["--target", "heroku"], 'TARGET is "heroku"'),
        (["--target", "kubernetes", "--overlay", "tpu"], 'OVERLAY is "tpu".*one of cpu, gpu'),
    ],
)
def test_a_target_that_is_none_is_refused(
    words: list[str], refusal: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy", "--image", "name:1", *words]) == 1
    assert re.search(refusal, capsys.readouterr().err)


def test_a_command_that_fails_says_so_in_its_own_words() -> None:
    with pytest.raises(DeployError, match="failed with 3:\nno such thing"):
        run("sh", "-c", "echo no such thing >&2; exit 3")
    with pytest.raises(DeployError, match='"no-such-program" is not installed'):
        run("no-such-program")
