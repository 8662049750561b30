"""What a repository's pipeline runs, read from its file, whichever CI system it is for."""

import re
from pathlib import Path
from typing import Any

import yaml

FILES = {
    "github-actions": ".github/workflows/ci.yml",
    "gitlab-ci": ".gitlab-ci.yml",
    "jenkins": "Jenkinsfile",
}
EVENTS = ("push", "change request")
"""A push to the main branch; a pull or merge request. Each system has its own words for them."""
MAKE = re.compile(r"\bmake (?!(?:login|down)\b)([a-z-]+)")
"""A step's target, but for those that only prepare, or clear up."""


def targets(repo: Path, ci: str, event: str) -> list[tuple[str, str]]:
    """Stage and target of each ``make`` that the pipeline calls for *event*, in its order.

    The deployment that variables ask for is there, as the last of a push.
    """
    text = (repo / FILES[ci]).read_text(encoding="utf-8")
    return {"github-actions": _github, "gitlab-ci": _gitlab, "jenkins": _jenkins}[ci](text, event)


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


def _made(stage: str, lines: list[str]) -> list[tuple[str, str]]:
    return [(stage, target) for line in lines for target in MAKE.findall(line)]


STAGES = {"publish": "image"}
"""What has a job of its own in one system, and is a part of a stage in another."""


def _github(text: str, event: str) -> list[tuple[str, str]]:
    jobs = yaml.safe_load(text)["jobs"]
    found = []
    for name, job in jobs.items():
        condition = job.get("if", "")
        only = "== 'pull_request'" in condition, "!= 'pull_request'" in condition
        if only[event == "push"] or not any(only):
            steps = [step["run"] for step in job["steps"] if "run" in step]
            found += _made(STAGES.get(name, name), steps)
    return found


class Loader(yaml.SafeLoader):
    """Reads GitLab's ``!reference`` too, as a tuple."""


Loader.add_constructor(
    "!reference",
    lambda loader, node: tuple(loader.construct_sequence(node)),  # type: ignore[arg-type]
)


def _load(text: str) -> Any:
    return yaml.load(text, Loader)  # noqa: S506  # a SafeLoader


def _gitlab(text: str, event: str) -> list[tuple[str, str]]:
    content = _load(text)
    found = []
    for stage in content["stages"]:
        for name, job in content.items():
            if not isinstance(job, dict) or (job.get("stage") != stage and name != "publish"):
                continue
            if (content[job["extends"]]["stage"] if name == "publish" else stage) != stage:
                continue
            rule = job.get("rules", [{"if": ""}])[0]["if"]
            only = '== "merge_request_event"' in rule, '!= "merge_request_event"' in rule
            if only[event == "push"] or not any(only):
                found += _made(stage, _script(content, job["script"]))
    return found


def _script(content: Any, script: list[Any]) -> list[str]:
    lines: list[str] = []
    for line in script:
        lines += _script(content, content[line[0]][line[1]]) if isinstance(line, tuple) else [line]
    return lines


def _jenkins(text: str, event: str) -> list[tuple[str, str]]:
    """By the names of the outermost stages; what only pushes have stands under a ``when``."""
    found = []
    text = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)
    for part in re.split(r"^        (?=stage\()", text, flags=re.MULTILINE)[1:]:
        (stage,) = re.findall(r"\Astage\('([^']+)'\)", part)
        for inner in re.split(r"^                (?=stage\()", part, flags=re.MULTILINE):
            if event == "push" or "not { changeRequest() }" not in inner:
                body = re.sub(r"post \{.*", "", inner, flags=re.DOTALL)
                found += list(dict.fromkeys(_made(stage, re.findall(r"sh ['\"](.+)", body))))
    return found
