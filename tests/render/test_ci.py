"""Each CI system runs the same stages, for the same events, of targets that are there."""

import re

import pytest
import yaml

from bakes import Baked
from matrix import AXES, CHOICES, COMBINATIONS, executed
from pipelines import (
    CHANGE_REQUEST,
    FILES,
    OTHER_BRANCH,
    PUSH,
    TAG,
    Event,
    pythons,
    stages,
    targets,
)

ALL = ["check", "model", "image", "publish", "deploy"]


@pytest.mark.parametrize(
    ("event", "expected"),
    [(PUSH, ALL), (TAG, ALL), (CHANGE_REQUEST, ALL[:3]), (OTHER_BRANCH, [])],
    ids=["push", "tag", "change request", "other branch"],
)
@pytest.mark.parametrize("ci", AXES["ci"])
def test_what_an_event_runs(ci: str, event: Event, expected: list[str], baked: Baked) -> None:
    if (ci, event) == ("jenkins", OTHER_BRANCH):
        expected = ALL[:3]  # who does not want that says which branches are found

    assert stages(baked(executed(ci)), ci, event) == expected


def test_a_pipeline_that_is_started_by_hand_on_another_branch_publishes_nothing(
    baked: Baked,
) -> None:
    by_hand = Event("workflow_dispatch", "experiment")

    assert stages(baked(executed("github-actions")), "github-actions", by_hand) == ALL[:3]
    by_hand.ref = "trunk"
    assert stages(baked(executed("github-actions")), "github-actions", by_hand) == ALL


def test_a_schedule_publishes_though_its_event_does_not_name_the_default_branch(
    baked: Baked,
) -> None:
    weekly = Event("schedule", "trunk", default="")

    assert stages(baked(executed("github-actions")), "github-actions", weekly) == ALL


def test_on_jenkins_a_variable_says_what_the_default_branch_is(baked: Baked) -> None:
    repo, variables = baked(executed("jenkins")), {"DEFAULT_BRANCH": "main"}

    assert stages(repo, "jenkins", Event(ref="main", variables=variables)) == ALL
    assert stages(repo, "jenkins", Event(variables=variables)) == ALL[:3]


def test_on_jenkins_a_pull_request_has_an_engine_only_where_agents_are_set_apart(
    baked: Baked,
) -> None:
    alone = Event("pull_request", "PR-7", variables={"PULL_REQUEST_LABEL": ""})

    assert stages(baked(executed("jenkins")), "jenkins", alone) == ["check"]


def test_on_gitlab_without_a_registry_the_image_is_built_and_nothing_published(
    baked: Baked,
) -> None:
    without = Event(variables={"CI_REGISTRY": None})

    assert stages(baked(executed("gitlab-ci")), "gitlab-ci", without) == ALL[:3]


@pytest.mark.parametrize("ci", AXES["ci"])
def test_every_target_is_there(ci: str, baked: Baked) -> None:
    for answers in COMBINATIONS:
        if answers["ci"] == ci:
            makefile = (baked(answers) / "Makefile").read_text(encoding="utf-8")
            called = targets(baked(answers), ci, PUSH)
            assert called[0] == "check"
            assert called[-2:] == ["deploy", "promote"]
            for target in called:
                assert f"\n{target}:" in makefile, target


@pytest.mark.parametrize("ci", AXES["ci"])
def test_the_owners_model_and_what_is_published_are_variables_in_each_system(
    ci: str, baked: Baked
) -> None:
    text = (baked(executed(ci)) / FILES[ci]).read_text(encoding="utf-8")

    for name in ("MODEL_FROM", "MODEL_SHA256", "BASE_MODEL", "DATA", "PUBLISH_STARTER"):
        assert re.search(rf"^(#|//) .*\b{name}\b", text, re.MULTILINE), name


@pytest.mark.parametrize("ci", AXES["ci"])
def test_the_check_runs_with_every_python_that_is_offered(ci: str, baked: Baked) -> None:
    assert pythons(baked(executed(ci)), ci) == CHOICES["python_version"]


def test_a_model_in_git_lfs_is_checked_out_where_it_is_read(baked: Baked) -> None:
    text = (baked(executed("github-actions")) / FILES["github-actions"]).read_text()
    steps = yaml.safe_load(text)["jobs"]["model"]["steps"]

    assert steps[0]["with"]["lfs"] is True
