"""What a repository's pipeline runs, read from its files, whichever CI system it is for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FILES = {
    "github-actions": ".github/workflows/ci.yml",
    "gitlab-ci": ".gitlab-ci.yml",
    "jenkins": "Jenkinsfile",
}
SCRIPT = "deploy/pipeline.sh"
CALL = re.compile(r"\b(?:make (check)|pipeline\.sh (\w+))")
"""A stage in a pipeline's file: the check, or one of the script's."""
MAKE = re.compile(r"\bmake (?!(?:login|down)\b)([a-z-]+)")
"""A step's target, but for those that only prepare, or clear up."""


@dataclass
class Event:
    """What a pipeline runs for; variables and registry are there, and nothing is refused.

    Args:
        name: as GitHub calls it.
        ref: the branch or tag.
        is_tag: whether it is one.
        default: the name of the default branch.
    """

    name: str = "push"
    ref: str = "trunk"
    is_tag: bool = False
    default: str = "trunk"
    variables: Mapping[str, str | None] = field(default_factory=dict)


PUSH = Event()
TAG = Event(ref="v1.0", is_tag=True)
CHANGE_REQUEST = Event("pull_request", "7/merge")
OTHER_BRANCH = Event(ref="main")
"""Of a repository whose default branch is another."""


def stages(repo: Path, ci: str, event: Event) -> list[str]:
    """What the pipeline runs for *event*, in its order: ``check``, and the script's stages."""
    text = (repo / FILES[ci]).read_text(encoding="utf-8")
    return {"github-actions": _github, "gitlab-ci": _gitlab, "jenkins": _jenkins}[ci](text, event)


def targets(repo: Path, ci: str, event: Event) -> list[str]:
    """The target of each ``make`` that the pipeline calls for *event*, in its order."""
    script = (repo / SCRIPT).read_text(encoding="utf-8")
    functions = dict(re.findall(r"^(\w+)\(\) \{.*\n((?:.*\n)*?)\}", script, re.MULTILINE))
    steps = {name: re.findall(r"\bstep ([a-z-]+)", body) for name, body in functions.items()}
    return [step for stage in stages(repo, ci, event) for step in steps.get(stage, [stage])]


def pythons(repo: Path, ci: str) -> list[str]:
    """The versions that the pipeline checks with."""
    text = (repo / FILES[ci]).read_text(encoding="utf-8")
    if ci == "github-actions":
        versions: list[str] = yaml.safe_load(text)["jobs"]["check"]["strategy"]["matrix"]["python"]
        return versions
    if ci == "gitlab-ci":
        (cell,) = _load(text)["check"]["parallel"]["matrix"]
        return list(cell["PYTHON_VERSION"])
    (values,) = re.findall(r"name 'PYTHON_VERSION'\s+values (.+)", text)
    return re.findall(r"'([\d.]+)'", values)


def _called(text: str) -> list[str]:
    return [check or stage for check, stage in CALL.findall(text)]


def _holds(condition: str, *names: tuple[str, str], **values: Any) -> bool:
    """Whether *condition*, in any of the three languages, holds; *names* become Python's."""
    for old, new in (*names, (r"&&", " and "), (r"\|\|", " or "), (r"!(?!=)", " not ")):
        condition = re.sub(old, new, condition)
    condition = re.sub(r"^(.+) \? (.+) : (.+)$", r"(\2) if (\1) else (\3)", condition)
    return bool(eval(condition, {"null": None, **values}))  # noqa: S307 - of our own files


def _github(text: str, event: Event) -> list[str]:
    github = {
        "event_name": event.name,
        "ref_name": event.ref,
        "ref_type": "tag" if event.is_tag else "branch",
    }
    done: dict[str, list[str]] = {}
    for name, job in yaml.safe_load(text)["jobs"].items():
        needs = job.get("needs", [])
        if any(need not in done for need in ([needs] if isinstance(needs, str) else needs)):
            continue
        if _holds(
            job.get("if", "True"),
            (r"github\.event\.repository\.default_branch", "default"),
            (r"needs\.publish\.outputs\.image|vars\.DEPLOY_TARGET", "'there'"),
            (r"github\.(\w+)", r"github['\1']"),
            default=event.default,
            github=github,
        ):
            done[name] = [call for step in job["steps"] for call in _called(step.get("run", ""))]
    return [call for calls in done.values() for call in calls]


class Loader(yaml.SafeLoader):
    """Reads GitLab's ``!reference`` too, as a tuple."""


Loader.add_constructor(
    "!reference",
    lambda loader, node: tuple(loader.construct_sequence(node)),  # type: ignore[arg-type]
)


def _load(text: str) -> Any:
    return yaml.load(text, Loader)  # noqa: S506  # a SafeLoader


def _gitlab(text: str, event: Event) -> list[str]:
    variables = {
        "CI_PIPELINE_SOURCE": "push" if event.name == "push" else "merge_request_event",
        "CI_COMMIT_TAG": event.ref if event.is_tag else None,
        "CI_COMMIT_BRANCH": event.ref if event.name == "push" and not event.is_tag else None,
        "CI_DEFAULT_BRANCH": event.default,
        "CI_REGISTRY": "registry.example.com",
        "CI_SERVER_HOST": "gitlab.example.com",
        "DEPLOY_TARGET": "compose",
        **event.variables,
    }

    def is_run(rules: list[dict[str, Any]]) -> bool:
        name = (r"\$(\w+)", r"variables.get('\1')")
        return any(_holds(rule["if"], name, variables=variables) for rule in rules)

    content = _load(text)
    if not is_run(content["workflow"]["rules"]):
        return []
    found = []
    for stage in content["stages"]:
        for name, job in content.items():
            if name[0] == "." or not isinstance(job, dict) or "script" not in job:
                continue
            of = job.get("stage") or content[job["extends"]]["stage"]
            if of == stage and is_run(job.get("rules", [{"if": "True"}])):
                found += _called("\n".join(_script(content, job["script"])))
    return found


def _script(content: Any, script: list[Any]) -> list[str]:
    lines: list[str] = []
    for line in script:
        lines += _script(content, content[line[0]][line[1]]) if isinstance(line, tuple) else [line]
    return lines


def _jenkins(text: str, event: Event) -> list[str]:
    """By the indentation of stages; each may have an expression under its ``when``."""
    env = {
        "CHANGE_ID": "7" if event.name == "pull_request" else None,
        "TAG_NAME": event.ref if event.is_tag else None,
        "BRANCH_NAME": event.ref,
        "BRANCH_IS_PRIMARY": "true" if event.ref == event.default else None,
        "IMAGE_NAME": "registry.example.com/team/name",
        "PULL_REQUEST_LABEL": "docker-pull-requests",
        "DEPLOY_TARGET": "compose",
        **event.variables,
    }
    name = (r"env\.(\w+)", r"env.get('\1')")
    (is_default,) = re.findall(r"^def isDefault = (.*)", text, re.MULTILINE)
    values = {"env": env, "isDefault": _holds(is_default, name, env=env)}
    found: list[str] = []
    within: list[tuple[int, bool]] = []  # stages around, by their indentation
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if line.lstrip().startswith("stage("):
            within = [each for each in within if each[0] < indent] + [(indent, True)]
        elif condition := re.search(r"expression \{ (.*) \}", line):
            # What is deployed was published before.
            holds = _holds(condition[1], name, **values, isPublished="publish" in found)
            within[-1] = (within[-1][0], holds)
        elif "sh '" in line and all(holds for _, holds in within):
            found += [call for call in _called(line) if call not in found]
    return found
