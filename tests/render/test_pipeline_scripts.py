"""The script of the pipelines, executed with stand-ins for the programs that it calls."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bakes import Bake, Baked
from matrix import AXES, Combination, executed
from pipelines import PUSH, SCRIPT, stages
from runners import RUNNERS, Settings, bare_clone
from service import clean_environ

DIGEST = f"sha256:{'d' * 64}"
PROGRAMS = {
    "docker": """\
case "$1" in
info) [ -z "$NO_ENGINE" ] || { echo "Cannot connect to the Docker daemon" >&2; exit 1; } ;;
login) read -r password; echo "$password" >"$DOCKER_CONFIG/config.json" ;;
image) name=${!#}; [ "$2" != inspect ] || echo "${name%:*}@"DIGEST ;;
esac
""",
    "cosign": """\
[ "$1" != public-key ] || echo "public half of $(cat "$3")"
""",
    "ssh": "",
    # What needs an environment or an engine is noted down; the rest are the Makefile's own words.
    "make": """\
case ${!#} in
login | push | sign | attest | verify-image | pushed | promote) exec MAKE -o sbom "$@" ;;
deploy)
    cat "$KUBECONFIG" >"$LOG.kubeconfig" 2>/dev/null
    command -v ssh >"$LOG.ssh" && cat "$(command -v ssh)" >>"$LOG.ssh"
    where="$TARGET for $OVERLAY, host ${DOCKER_HOST:-none}, url ${URL:-none}"
    echo "deploy $IMAGE to $where" >>"$LOG" ;;
"$FAILS") exit 2 ;;
esac
""",
}


@dataclass
class Pipeline:
    """A repository, and programs that write down how they are called.

    Args:
        repo: a copy of its own.
        bin: the programs.
        log: their calls, a line each.
        temporary: where the script may put files.
    """

    repo: Path
    bin: Path
    log: Path
    temporary: Path
    said: str = ""
    status: int = 0
    variables: dict[str, str] = field(default_factory=dict)

    def run(self, stage: str, **variables: str) -> list[str]:
        """Run one stage as on the default branch; gives the calls that it made."""
        self.log.write_text("")
        environ = {
            **{name: value for name, value in clean_environ().items() if name != "DOCKER_HOST"},
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "HOME": str(self.temporary),
            "TMPDIR": str(self.temporary),
            "LOG": str(self.log),
            "IMAGE_NAME": "ghcr.io/Acme/Demo",
            "REF_NAME": "trunk",
            "REF_TYPE": "branch",
            "BUILD_NUMBER": "57",
            "BUILD_REPOSITORY": "https://github.com/Acme/Demo",
            "BUILD_COMMIT": "c0ffee",
            "BUILD_URL": "https://github.com/Acme/Demo/actions/runs/1",
            "BUILDER_ID": "https://github.com/Acme/Demo/.github/workflows/ci.yml@refs/heads/trunk",
            "COSIGN_ISSUER": "https://token.actions.githubusercontent.com",
            "REGISTRY_USER": "user",
            "REGISTRY_PASSWORD": "hush",
            "ENGINE_SECONDS": "1",
            "DEPLOY_TARGET": "kubernetes",
            **variables,
        }
        done = subprocess.run(
            ["bash", "deploy/pipeline.sh", stage],
            cwd=self.repo,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.said, self.status = done.stdout, done.returncode
        return self.log.read_text(encoding="utf-8").splitlines()

    def succeeds(self, stage: str, **variables: str) -> list[str]:
        """As :meth:`run`, of a stage that succeeds and leaves no file behind."""
        calls = self.run(stage, **variables)
        assert self.status == 0, self.said
        assert list(self.temporary.glob("pipeline.*")) == []
        assert "hush" not in self.said
        return calls

    @property
    def published(self) -> list[str]:
        """What the stage left for the deployment."""
        path = self.repo / "build/pipeline/published.env"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def has_model(self, *, starter: bool) -> None:
        """Let the repository have a model."""
        for version, is_starter in ((9, not starter), (10, starter)):
            folder = self.repo / "models/default" / str(version)
            folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"name": "default", "starter": is_starter}, indent=2)
            (folder / "manifest.json").write_text(text + "\n")


Of = Callable[[Combination], Pipeline]


@pytest.fixture
def pipeline_of(baked: Baked, tmp_path: Path) -> Of:
    """A function that gives the pipeline of a combination, with an owner's model."""

    def of(row: Combination) -> Pipeline:
        repo = Path(shutil.copytree(baked(row), tmp_path / "repo"))
        (repo / "build/reports").mkdir(parents=True)
        programs, temporary = tmp_path / "bin", tmp_path / "temporary"
        programs.mkdir()
        temporary.mkdir()
        for name, body in PROGRAMS.items():
            text = body.replace("DIGEST", DIGEST).replace("MAKE", shutil.which("make") or "")
            note = f'echo "{name} $*" >>"$LOG"\n'
            (programs / name).write_text(f"#!/bin/bash\n{note}{text}exit 0\n")
            (programs / name).chmod(0o755)
        found = Pipeline(repo, programs, tmp_path / "log", temporary)
        found.has_model(starter=False)
        return found

    return of


@pytest.fixture
def pipeline(pipeline_of: Of) -> Pipeline:
    """Of one image."""
    return pipeline_of(executed("github-actions"))


def calls_of(calls: list[str], *programs: str) -> list[str]:
    """Those of *calls* that are of *programs*."""
    return [call for call in calls if call.split()[0] in programs]


def targets_of(calls: list[str]) -> list[str]:
    """The targets that were made, but for those that only prepare, or clear up."""
    made = [call.split()[-1] for call in calls_of(calls, "make")]
    return [target for target in made if target not in {"login", "pushed", "down"}]


IMAGE = f"ghcr.io/acme/demo@{DIGEST}"


def test_a_fresh_push_builds_the_starter_and_publishes_nothing_but_says_so(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    pipeline.has_model(starter=True)
    summary = tmp_path / "summary"

    assert targets_of(pipeline.succeeds("image")) == ["up", "smoke", "loadtest", "sbom"]
    calls = pipeline.succeeds("publish", GITHUB_STEP_SUMMARY=str(summary))

    assert calls == []
    assert pipeline.published == []
    assert "\n::warning title=The starter model was not published::" in pipeline.said
    for remedy in ("MODEL_FROM", "DATA", "BASE_MODEL", "IS_STARTER", "PUBLISH_STARTER=1"):
        assert remedy in summary.read_text(encoding="utf-8")
    assert targets_of(pipeline.succeeds("deploy")) == []
    assert "Nothing was deployed" in pipeline.said


def test_the_starter_is_published_where_a_variable_says_so_and_not_in_silence(
    pipeline: Pipeline,
) -> None:
    pipeline.has_model(starter=True)

    assert "push" in targets_of(pipeline.succeeds("publish", PUBLISH_STARTER="1"))
    assert "!!! The starter model is published" in pipeline.said


def test_the_version_that_was_chosen_decides_and_not_the_newest(pipeline: Pipeline) -> None:
    pipeline.has_model(starter=True)
    (pipeline.repo / "models/default/current").write_text("9\n")

    assert "push" in targets_of(pipeline.succeeds("publish"))
    assert "!!!" not in pipeline.said


def test_what_answered_is_pushed_and_named_by_digest(pipeline: Pipeline, tmp_path: Path) -> None:
    output = tmp_path / "output"
    calls = pipeline.succeeds("publish", VISIBILITY="public", GITHUB_OUTPUT=str(output))

    assert targets_of(calls) == ["push", "sign", "attest"]
    assert "docker push ghcr.io/acme/demo:trunk-57" in calls
    assert pipeline.published == [f"IMAGE={IMAGE}", "SIGNED=yes"]
    assert output.read_text(encoding="utf-8").splitlines() == pipeline.published


def test_both_images_of_a_model_server_are_deployed_by_digest(pipeline_of: Of) -> None:
    pipeline = pipeline_of(executed("jenkins"))
    server = f"ghcr.io/acme/demo@{DIGEST}"  # the stand-in leaves out what follows the tag's colon

    pipeline.succeeds("publish", COSIGN_KEY=str(pipeline.log))
    assert pipeline.published == [f"IMAGE={IMAGE}", f"SERVER_IMAGE={server}", "SIGNED=yes"]
    calls = pipeline.succeeds("deploy", COSIGN_KEY=str(pipeline.log), PRODUCTION="acme/demo:live")
    assert f"deploy {IMAGE} to kubernetes for cpu, host none, url none" in calls
    promoted = [call.split()[-2:] for call in calls if " imagetools create " in call]
    assert promoted[0] == ["acme/demo:live", IMAGE]


@pytest.mark.parametrize(
    ("ref", "kind", "expected"),
    [
        ("v1.2.0", "tag", "v1.2.0"),
        ("v1.0.0+build", "tag", "v1.0.0-build"),
        ("release/1.0", "tag", "release-1.0"),
        ("master", "branch", "master-57"),
        ("Feature_1", "branch", "Feature_1-57"),
    ],
)
def test_an_image_is_named_by_its_tag_or_by_branch_and_build(
    ref: str, kind: str, expected: str, pipeline: Pipeline
) -> None:
    calls = pipeline.succeeds("publish", REF_NAME=ref, REF_TYPE=kind)

    assert f"docker push ghcr.io/acme/demo:{expected}" in calls


def test_branches_that_differ_in_what_no_tag_may_have_get_other_images(pipeline: Pipeline) -> None:
    pushed = {
        call
        for ref in ("a/b", "a-b", "a#b", "x" * 300)
        for call in pipeline.succeeds("publish", REF_NAME=ref)
        if call.startswith("docker push")
    }

    assert len(pushed) == 4
    assert all(len(call.rpartition(":")[2]) <= 128 for call in pushed)
    assert all(call.endswith("-57") for call in pushed)


def test_a_build_has_containers_and_a_port_of_its_own(pipeline: Pipeline) -> None:
    note = 'echo "at $COMPOSE_PROJECT_NAME $PORT $URL $IMAGE" >>"$LOG"\n'
    (pipeline.bin / "make").write_text(f"#!/bin/bash\n{note}")
    found = []
    for branch in ("main", "PR-3"):
        calls = pipeline.succeeds("image", REF_NAME=branch, IMAGE_NAME="")
        (line,) = set(calls_of(calls, "at"))  # also what is taken down in the end
        found.append(line.split()[1:])

    (project, port, url, image), (other, *_) = found
    assert (project, image) == ("digit-reader-main-57", "digit-reader:main-57")
    assert other == "digit-reader-pr-3-57"
    assert url == f"http://localhost:{port}"
    assert port not in {"", "8000"}


def test_containers_are_taken_down_also_after_a_failure(pipeline: Pipeline) -> None:
    calls = pipeline.run("image", FAILS="smoke")

    assert pipeline.status != 0
    assert [call.split()[1] for call in calls_of(calls, "make")] == ["up", "smoke", "down"]
    assert list(pipeline.temporary.glob("pipeline.*")) == []


def test_a_runner_without_an_engine_is_told_in_one_sentence(pipeline: Pipeline) -> None:
    hint = "The runner needs x."
    calls = pipeline.run("image", NO_ENGINE="1", DOCKER_HOST="tcp://docker:2376", ENGINE_HINT=hint)

    assert pipeline.status != 0
    assert calls_of(calls, "make") == []
    (line,) = pipeline.said.splitlines()
    assert line == (
        "error: no Docker engine answers at tcp://docker:2376, so no image can be built: "
        "Cannot connect to the Docker daemon The runner needs x."
    )


def test_what_a_ci_system_has_no_registry_for_is_built_under_a_local_name(
    pipeline: Pipeline,
) -> None:
    note = 'echo "$IMAGE" >>"$LOG"\n'
    (pipeline.bin / "make").write_text(f"#!/bin/bash\n{note}")

    for nothing in ("", "$CI_REGISTRY_IMAGE"):  # as GitLab leaves a variable that is not there
        calls = pipeline.succeeds("image", IMAGE_NAME=nothing)
        assert set(calls_of(calls, "digit-reader:trunk-57")) == {"digit-reader:trunk-57"}


def test_the_registrys_password_is_in_a_folder_that_goes(pipeline: Pipeline) -> None:
    own = pipeline.temporary / ".docker"
    (own / "cli-plugins").mkdir(parents=True)
    for stage in ("model", "publish"):
        calls = pipeline.succeeds(stage)
        assert "docker login ghcr.io --username user --password-stdin" in calls

    assert not (own / "config.json").exists()
    assert not any("docker login" in call for call in pipeline.succeeds("model", IMAGE_NAME=""))
    calls = pipeline.succeeds("model", REGISTRY_PASSWORD="")  # who is logged in already stays so
    assert not any("docker login" in call for call in calls)


@pytest.mark.parametrize("variables", [{"VISIBILITY": "public"}, {"PUBLIC_LOG": "1"}])
def test_an_identity_signs_where_everybody_may_know_it(
    variables: dict[str, str], pipeline: Pipeline
) -> None:
    signed = calls_of(pipeline.succeeds("publish", **variables), "cosign")

    assert f"cosign sign --yes {IMAGE}" in [" ".join(call.split()) for call in signed]
    verified = calls_of(pipeline.succeeds("deploy", **variables), "cosign")
    assert [call.split()[1] for call in verified] == ["verify", *["verify-attestation"] * 2]
    identity = "--certificate-identity-regexp ^https://github\\.com/Acme/Demo/"
    issuer = "--certificate-oidc-issuer https://token.actions.githubusercontent.com"
    assert all(f"{identity} {issuer}" in call for call in verified)


@pytest.mark.parametrize("visibility", ["", "private", "internal"])
def test_what_is_private_is_pushed_and_deployed_without_a_word_in_the_public_log(
    visibility: str, pipeline: Pipeline
) -> None:
    calls = pipeline.succeeds("publish", VISIBILITY=visibility)

    assert calls_of(calls, "cosign") == []
    assert "Not signed" in pipeline.said
    assert pipeline.published == [f"IMAGE={IMAGE}", "SIGNED="]
    assert targets_of(pipeline.succeeds("deploy")) == ["deploy", "promote"]


def test_a_key_signs_without_the_public_log_and_its_other_half_verifies(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    key = tmp_path / "cosign.key"
    key.write_text("the key")
    signed = calls_of(pipeline.succeeds("publish", COSIGN_KEY=str(key)), "cosign")

    assert all("--tlog-upload=false" in call for call in signed if "public-key" not in call)
    calls = pipeline.succeeds("deploy", COSIGN_KEY=str(key))
    assert targets_of(calls) == ["verify-image", "deploy", "promote"]
    verified = [call for call in calls_of(calls, "cosign") if "public-key" not in call]
    assert all("--key " in call and "cosign.pub" in call for call in verified)
    assert all("--insecure-ignore-tlog=true" in call for call in verified)
    with_log = pipeline.succeeds("publish", COSIGN_KEY=str(key), PUBLIC_LOG="1")
    assert not any("tlog" in call for call in with_log)


def test_what_was_not_signed_as_it_should_is_not_deployed(pipeline: Pipeline) -> None:
    pipeline.succeeds("publish", VISIBILITY="public")
    (pipeline.bin / "cosign").write_text("#!/bin/bash\nexit 1\n")

    assert "deploy" not in targets_of(pipeline.run("deploy", VISIBILITY="public"))
    assert pipeline.status != 0


def test_keys_are_there_for_the_deployment_and_gone_afterwards(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    pipeline.succeeds("publish")
    key = tmp_path / "key"
    key.write_text("a file's key\n")
    calls = pipeline.succeeds(
        "deploy",
        RUNNER_TEMP=str(pipeline.temporary),
        DEPLOY_KUBECONFIG="a secret's\ncontent",
        DEPLOY_SSH_KEY=str(key),
        DEPLOY_KNOWN_HOSTS="host ssh-ed25519 x",
        DEPLOY_DOCKER_HOST="ssh://deploy@host",
        DEPLOY_OVERLAY="gpu",
    )

    told = f"deploy {IMAGE} to kubernetes for gpu, host ssh://deploy@host, url none"
    assert told in calls
    assert pipeline.log.with_name("log.kubeconfig").read_text() == "a secret's\ncontent\n"
    wrapper = pipeline.log.with_name("log.ssh").read_text()
    assert wrapper.startswith(f"{pipeline.temporary}/pipeline.")
    assert '-i "' in wrapper
    assert not (pipeline.temporary / ".ssh").exists()
    assert not (pipeline.temporary / ".kube").exists()


def test_images_are_built_for_the_hardware_that_they_are_deployed_to(pipeline: Pipeline) -> None:
    note = 'echo "$1 ${OVERLAY:-cpu}" >>"$LOG"\n'
    (pipeline.bin / "make").write_text(f"#!/bin/bash\n{note}")

    calls = pipeline.succeeds("image", DEPLOY_OVERLAY="gpu", IMAGE_NAME="")
    assert calls[1:] == ["up gpu", "smoke gpu", "loadtest gpu", "sbom gpu", "down gpu"]
    calls = pipeline.succeeds("model", DEPLOY_OVERLAY="gpu", IMAGE_NAME="")
    assert calls == ["model cpu", "compare cpu", "verify cpu"]


def test_an_image_is_tried_without_the_keys_of_production(pipeline: Pipeline) -> None:
    note = 'echo "$1 ${REQUIRE_API_KEYS:-} ${API_KEY:-none} ${API_KEYS:-none}" >>"$LOG"\n'
    (pipeline.bin / "make").write_text(f"#!/bin/bash\n{note}")

    calls = pipeline.succeeds("image", API_KEY="a-key", API_KEYS="crm 00")
    assert "up False none none" in calls
    assert "smoke False none none" in calls


STAGE = """\
#!/bin/bash
echo "-- stage $1"
[ "$1" != FAILING ] || exit 1
mkdir -p models build/pipeline build/reports build/candidate/evaluation
touch models/model build/reports/report build/candidate/evaluation/figure
if [ "$1" = publish ] && [ "$PUBLISH_STARTER" = 1 ]; then
    echo IMAGE=image >build/pipeline/published.env
    cat build/pipeline/published.env >>"${GITHUB_OUTPUT:-/dev/null}"
fi
"""
"""Stands for the script, in a repository with the starter."""


@dataclass
class Ran:
    """What a CI system made of a repository whose stages are stand-ins."""

    status: int
    log: str
    planned: list[str]

    @property
    def stages(self) -> list[str]:
        """Those that began, in order; a check in several jobs once."""
        ran = re.findall(r"^(?:.* )?-- stage (\w+)$", self.log, re.MULTILINE)
        return list(dict.fromkeys(ran))


Push = Callable[..., Ran]


@pytest.fixture
def push(bake: Bake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Push:
    """A function that pushes a repository with the starter to a CI system."""

    def to(ci: str, *, published: bool, failing: str = "none") -> Ran:
        repo = bake(**executed(ci))
        (repo / SCRIPT).write_text(STAGE.replace("FAILING", failing))
        (repo / "Makefile").write_text(f"check:\n\t@bash {SCRIPT} check\n")
        (tmp_path / "bin").mkdir()
        # Jenkins checks in a container, whose last word is a script.
        for name in ("docker", "cosign", "apt-get"):
            (tmp_path / "bin" / name).write_text(
                '#!/bin/bash\n[ "$1" != run ] || exec sh "${!#}"\n'
            )
            (tmp_path / "bin" / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
        monkeypatch.setenv("GCL_FORCE_SHELL_EXECUTOR", "true")
        variables = {"PUBLISH_STARTER": "1"} if published else {}
        settings = Settings("registry.example.com", tmp_path, 8000, "demo", True, variables)  # noqa: FBT003
        done = RUNNERS[ci](bare_clone(repo, ci, settings.registry, tmp_path), settings, tmp_path)
        return Ran(done.status, done.log, stages(repo, ci, PUSH))

    return to


@pytest.mark.parametrize("published", [False, True], ids=["not published", "published"])
@pytest.mark.parametrize("ci", AXES["ci"])
def test_a_push_of_the_starter_is_green_and_is_deployed_where_it_was_published(
    ci: str, push: Push, *, published: bool
) -> None:
    done = push(ci, published=published)

    assert done.status == 0, done.log
    assert done.stages == done.planned[: 5 if published else 4], done.log
    if ci == "jenkins":
        assert ("[unstable] The starter model was not published" in done.log) != published


FAILING = [
    *(("github-actions", "check"), ("github-actions", "image")),
    *(("gitlab-ci", "check"), ("gitlab-ci", "model"), ("gitlab-ci", "publish")),
    *(("jenkins", "model"), ("jenkins", "deploy")),
]
"""Stages that fail: all of them with some system, as few as the slow runners allow."""


@pytest.mark.parametrize(("ci", "failing"), FAILING)
def test_a_stage_that_fails_ends_the_pipeline(ci: str, failing: str, push: Push) -> None:
    done = push(ci, published=True, failing=failing)

    if (ci, failing) == ("github-actions", "check"):  # the model is made beside it
        assert set(done.stages) & {"publish", "deploy"} == set(), done.log
    elif (ci, failing) == ("gitlab-ci", "publish"):
        # This runner takes every status as allowed where some are; it knows that the job failed.
        assert re.search(r"^ *FAIL +publish", done.log, re.MULTILINE), done.log
        return
    else:
        until = done.planned[: done.planned.index(failing) + 1]
        assert done.stages == until, done.log
    assert done.status != 0, done.log
