"""What a cluster is given: built by kustomize, judged by the schemas and parsers of the field."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import kubernetes_validate
import promql_parser
import pytest
import yaml

from bakes import DEFAULT_SLUG, Bake, Baked
from kserve_models import Models, faults, kserve_models
from matrix import COMBINATIONS, CONTEXT, Combination, features, name_of, without_ci
from shell import commit, finished, git

SCHEMAS = "1.36"
FEATURES = {"pytorch", "tensorflow", "predict", "in-process", "model-server"}
"""Those that bring manifests."""
OF_OPERATOR = {"ServiceMonitor", "PrometheusRule"}
"""Kinds of the Prometheus operator, whose schemas no package has."""

COMPONENTS = ("monitoring", "metrics-port", "ingress", "keys")
"""What an overlay can turn on, in their order there."""

SERVICE = {"service", "kserve-container"}
"""What its container is called in a Deployment, and in an InferenceService."""

Object: TypeAlias = dict[str, Any]


def distinct() -> list[Combination]:
    """One combination for each set of manifests."""
    found: dict[frozenset[str], Combination] = {}
    for each in without_ci(COMBINATIONS):
        found.setdefault(frozenset(FEATURES & features(each)), each)
    return list(found.values())


@pytest.fixture(scope="session", autouse=True)
def _kubectl() -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed, so no manifests were built")


@pytest.fixture(scope="session")
def models() -> Models:
    """KServe's."""
    return kserve_models()


def built(folder: Path) -> list[Object]:
    """The objects that the kustomization in *folder* gives."""
    command = ["kubectl", "kustomize", str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return list(yaml.safe_load_all(result.stdout))


def with_components(kustomization: Path, to: Path, *names: str) -> Path:
    """The folder of *kustomization*, in a copy of all manifests, with components that are off."""
    deploy = next(each for each in kustomization.parents if each.name == "deploy")
    copy = shutil.copytree(deploy, to) / kustomization.relative_to(deploy)
    for name in names:
        turn_on(copy / "kustomization.yaml", name)
    return copy


def turn_on(file: Path, component: str) -> None:
    """Take the ``#`` away, as an owner does."""
    told, count = re.subn(
        rf"^  # (- \S+/components/{component} #)", r"  \1", file.read_text(), flags=re.MULTILINE
    )
    assert count == 1
    file.write_text(told)


def of_kind(manifests: list[Object], kind: str) -> Object:
    """The only one of *kind*."""
    (found,) = (each for each in manifests if each["kind"] == kind)
    return found


def containers(manifest: Object) -> list[Object]:
    """Those of a Deployment or an InferenceService."""
    spec = manifest["spec"]
    found: list[Object] = spec.get("predictor", spec.get("template", {}).get("spec"))["containers"]
    return found


def image_of_each(manifests: list[Object]) -> dict[str, str]:
    """The image of each container."""
    found = [each for each in manifests if each["kind"] in {"Deployment", "InferenceService"}]
    return {each["name"]: each["image"] for manifest in found for each in containers(manifest)}


def setting(answers: Combination, name: str) -> float:
    """The default of a setting."""
    told = CONTEXT["_settings"]
    rows = {row[0]: row[1] for key in features(answers) & told.keys() for row in told[key]}
    return float(rows[name])


@pytest.mark.parametrize("overlay", ["cpu", "gpu"])
@pytest.mark.parametrize("monitored", [False, True], ids=["alone", "monitored"])
@pytest.mark.parametrize("answers", distinct(), ids=name_of)
def test_every_overlay_is_built_and_valid(
    answers: Combination,
    overlay: str,
    baked: Baked,
    tmp_path: Path,
    *,
    monitored: bool,
) -> None:
    folder = baked(answers) / "deploy/kubernetes/overlays" / overlay
    manifests = built(
        with_components(folder, tmp_path / "deploy", "monitoring") if monitored else folder
    )

    for each in manifests:
        if each["kind"] not in OF_OPERATOR:
            kubernetes_validate.validate(each, SCHEMAS, strict=True)
    kinds = {each["kind"] for each in manifests}
    expected = {"Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"}
    expected |= {"NetworkPolicy", "ServiceAccount"}
    assert kinds == expected | (OF_OPERATOR | {"ConfigMap"} if monitored else set())
    has_gpu = "nvidia.com/gpu" in json.dumps(manifests)
    assert has_gpu == (overlay == "gpu")


@pytest.mark.parametrize("overlay", ["cpu", "gpu"])
@pytest.mark.parametrize("answers", distinct(), ids=name_of)
def test_every_pod_may_do_as_little_as_the_restricted_standard_allows(
    answers: Combination, overlay: str, baked: Baked, tmp_path: Path
) -> None:
    deploy = baked(answers) / "deploy"
    folder = deploy / "kubernetes/overlays" / overlay
    manifests = built(with_components(folder, tmp_path / "k8s/deploy", *COMPONENTS))
    cpu = with_components(deploy / "kserve/cpu", tmp_path / "kserve/deploy", "keys")
    (service,) = built(cpu.with_name(overlay))

    for pod in (
        of_kind(manifests, "Deployment")["spec"]["template"]["spec"],
        service["spec"]["predictor"],
    ):
        assert broken_rules(pod) == []
        assert not pod["automountServiceAccountToken"]
        for each in pod["containers"]:
            assert each["securityContext"]["readOnlyRootFilesystem"]
            assert each["resources"]["limits"]["memory"]


VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim"),
    *("projected", "secret"),
}


def broken_rules(pod: Object) -> list[str]:
    """Which of https://kubernetes.io/docs/concepts/security/pod-security-standards *pod* breaks."""
    told: Object = pod.get("securityContext", {})
    rules = {
        "host namespaces": not any(pod.get(f"host{each}") for each in ("Network", "PID", "IPC")),
        "volume types": all(each.keys() - {"name"} <= VOLUMES for each in pod.get("volumes", [])),
        "sysctls": not told.get("sysctls"),
    }
    kinds = ("containers", "initContainers", "ephemeralContainers")
    for each in [container for kind in kinds for container in pod.get(kind, [])]:
        own: Object = each.get("securityContext", {})
        both = told | own
        probes = [each.get(f"{name}Probe", {}) for name in ("startup", "liveness", "readiness")]
        capabilities = own.get("capabilities", {})
        rules |= {
            f"{each['name']}: {rule}": is_kept
            for rule, is_kept in {
                "privileged": not own.get("privileged"),
                "escalation": own.get("allowPrivilegeEscalation") is False,
                "capabilities": capabilities.get("drop") == ["ALL"]
                and set(capabilities.get("add", ())) <= {"NET_BIND_SERVICE"},
                "root": both.get("runAsNonRoot") is True and both.get("runAsUser") != 0,
                "seccomp": both.get("seccompProfile", {}).get("type")
                in {"RuntimeDefault", "Localhost"},
                "proc": own.get("procMount", "Default") == "Default",
                "SELinux": "seLinuxOptions" not in both,
                "host ports": not any(port.get("hostPort") for port in each.get("ports", [])),
                "probed hosts": not any(probe.get("httpGet", {}).get("host") for probe in probes),
            }.items()
        }
    return [rule for rule, is_kept in rules.items() if not is_kept]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"hostPID": True}, "host namespaces"),
        ({"volumes": [{"name": "a", "hostPath": {"path": "/"}}]}, "volume types"),
        ({"securityContext": {"runAsNonRoot": True}}, "a: seccomp"),
        ({"initContainers": [{"name": "b"}]}, "b: escalation"),
    ],
)
def test_a_pod_that_may_do_more_is_found(change: Object, rule: str) -> None:
    own = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    pod = {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "a", "securityContext": own}],
    }

    assert broken_rules(pod) == []
    assert rule in broken_rules(pod | change)


@pytest.mark.parametrize("answers", distinct(), ids=name_of)
def test_metrics_have_a_port_that_prometheus_alone_reaches(
    answers: Combination, baked: Baked, tmp_path: Path
) -> None:
    folder = baked(answers) / "deploy/kubernetes/overlays/cpu"
    names = ("monitoring", "metrics-port", "keys")
    manifests = built(with_components(folder, tmp_path / "deploy", *names))
    for each in manifests:
        if each["kind"] not in OF_OPERATOR:
            kubernetes_validate.validate(each, SCHEMAS, strict=True)

    pods = containers(of_kind(manifests, "Deployment"))
    (service,) = (each for each in pods if each["name"] == "service")
    ports = {each["name"]: each["containerPort"] for each in service["ports"]}
    assert ports == {"http": 8000, "service-metrics": 9000}
    assert {"name": "METRICS_PORT", "value": "9000"} in service["env"]
    (endpoint,) = of_kind(manifests, "ServiceMonitor")["spec"]["endpoints"]
    open_ports = {each["name"]: each for each in of_kind(manifests, "Service")["spec"]["ports"]}
    assert open_ports[endpoint["port"]]["targetPort"] == "service-metrics"
    assert open_ports.keys() == {"http", "metrics"}
    callers, prometheus = of_kind(manifests, "NetworkPolicy")["spec"]["ingress"]
    assert callers == {"ports": [{"port": "http"}]}
    assert prometheus["from"]
    assert prometheus["ports"] == [{"port": "service-metrics"}]


@pytest.mark.parametrize("names", [["ingress"], ["ingress", "keys"]], ids="+".join)
@pytest.mark.parametrize("answers", distinct(), ids=name_of)
def test_who_opens_a_service_to_the_outside_has_tls_and_asks_for_keys(
    answers: Combination, names: list[str], baked: Baked, tmp_path: Path
) -> None:
    folder = baked(answers) / "deploy/kubernetes/overlays/cpu"
    manifests = built(with_components(folder, tmp_path / "deploy", *names))
    ingress, deployment = of_kind(manifests, "Ingress"), of_kind(manifests, "Deployment")
    for each in (ingress, deployment):
        kubernetes_validate.validate(each, SCHEMAS, strict=True)

    check_keys(deployment["spec"]["template"]["spec"])
    (rule,), (tls,) = ingress["spec"]["rules"], ingress["spec"]["tls"]
    assert tls["hosts"] == [rule["host"]]
    (path,) = rule["http"]["paths"]
    target = path["backend"]["service"]
    service = of_kind(manifests, "Service")
    assert target["name"] == service["metadata"]["name"]
    assert target["port"]["name"] in {each["name"] for each in service["spec"]["ports"]}
    prefix = "nginx.ingress.kubernetes.io/"
    told = {
        name.removeprefix(prefix): value
        for name, value in ingress["metadata"]["annotations"].items()
    }
    assert int(told["proxy-body-size"].removesuffix("m")) * 2**20 > 10 * 2**20  # MAX_BODY_BYTES
    assert float(told["proxy-read-timeout"]) > setting(answers, "REQUEST_TIMEOUT_SECONDS")
    is_stream = answers["task"] == "text-generation"
    assert told["proxy-buffering"] == ("off" if is_stream else "on")


@pytest.mark.parametrize("answers", distinct(), ids=name_of)
def test_a_pod_is_given_the_time_that_the_service_takes_to_stop(
    answers: Combination, baked: Baked
) -> None:
    seconds = setting(answers, "DRAIN_SECONDS") + setting(answers, "SHUTDOWN_SECONDS")
    manifests = built(baked(answers) / "deploy/kubernetes/base")
    (deployment,) = (each for each in manifests if each["kind"] == "Deployment")
    (service,) = built(baked(answers) / "deploy/kserve/cpu")

    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > seconds
    assert service["spec"]["predictor"]["timeout"] > seconds


def test_the_service_is_probed_alike_wherever_its_model_runs(
    baked: Baked,
) -> None:
    probes = set()
    for answers in distinct():
        for folder in ("kubernetes/base", "kserve/cpu"):
            for manifest in built(baked(answers) / "deploy" / folder):
                if manifest["kind"] in {"Deployment", "InferenceService"}:
                    first = containers(manifest)[0]
                    told = json.dumps([first["readinessProbe"], first["livenessProbe"]])
                    probes.add(told.replace('"http"', "8000"))

    assert len(probes) == 1


@pytest.mark.parametrize("overlay", ["cpu", "gpu"])
@pytest.mark.parametrize("answers", distinct(), ids=name_of)
def test_an_inference_service_is_as_kserve_has_it(
    answers: Combination, overlay: str, baked: Baked, models: Models
) -> None:
    (manifest,) = built(baked(answers) / "deploy/kserve" / overlay)

    assert faults(models, manifest) == []
    pod = {key: manifest["spec"]["predictor"].get(key, []) for key in ("containers", "volumes")}
    template = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "service"}, "spec": pod}
    kubernetes_validate.validate(template, SCHEMAS, strict=True)
    # What Knative takes: one container with a port, and no hooks or start-up probes.
    assert next(len(each.get("ports", [])) for each in pod["containers"]) == 1
    assert not any(each.get("ports") for each in pod["containers"][1:])
    assert not any({"lifecycle", "startupProbe"} & each.keys() for each in pod["containers"])
    with_gpu = [each["name"] for each in pod["containers"] if "nvidia.com/gpu" in json.dumps(each)]
    model = "kserve-container" if answers["serving"] == "in-process" else "model-server"
    assert with_gpu == ([model] if overlay == "gpu" else [])


def test_a_misspelt_field_of_an_inference_service_is_found(models: Models) -> None:
    manifest = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "spec": {"predictor": {"minReplica": 1, "maxReplicas": "10"}},
    }

    assert [each.split(":")[0] for each in faults(models, manifest)] == [
        "InferenceService.spec.predictor.minReplica",
        "InferenceService.spec.predictor.maxReplicas",
    ]


@pytest.mark.parametrize("answers", distinct(), ids=name_of)
def test_both_ways_into_a_cluster_run_the_same_images(answers: Combination, baked: Baked) -> None:
    deployed = image_of_each(built(baked(answers) / "deploy/kubernetes/base"))
    served = image_of_each(built(baked(answers) / "deploy/kserve/cpu"))

    assert sorted(deployed.values()) == sorted(served.values())
    assert "service" in deployed.values()


@pytest.mark.parametrize("overlay", ["cpu", "gpu"])
@pytest.mark.parametrize("answers", distinct(), ids=name_of)
def test_one_line_of_an_overlay_asks_every_caller_for_a_key(
    answers: Combination, overlay: str, baked: Baked, tmp_path: Path
) -> None:
    folder = baked(answers) / "deploy/kubernetes/overlays" / overlay
    before = built(folder)
    after = built(with_components(folder, tmp_path / "deploy", "monitoring", "keys"))
    deployment = of_kind(after, "Deployment")
    kubernetes_validate.validate(deployment, SCHEMAS, strict=True)

    check_keys(deployment["spec"]["template"]["spec"])
    former = {each["name"]: each for each in containers(of_kind(before, "Deployment"))}
    for now in containers(deployment):
        then = former.pop(now["name"])
        for key in ("env", "volumeMounts"):
            assert all(each in now.get(key, []) for each in then.get(key, []))
    (endpoint,) = of_kind(after, "ServiceMonitor")["spec"]["endpoints"]
    secret = {"name": f"{DEFAULT_SLUG}-keys", "key": "metrics"}
    assert endpoint["authorization"] == {"credentials": secret}
    assert "Secret" not in {each["kind"] for each in after}  # nobody's keys lie in a repository


@pytest.mark.parametrize("overlay", ["cpu", "gpu"])
@pytest.mark.parametrize("answers", distinct(), ids=name_of)
def test_one_line_asks_every_caller_of_an_inference_service_for_a_key(
    answers: Combination, overlay: str, baked: Baked, tmp_path: Path, models: Models
) -> None:
    cpu = with_components(baked(answers) / "deploy/kserve/cpu", tmp_path / "deploy", "keys")
    (before,) = built(baked(answers) / "deploy/kserve" / overlay)
    (after,) = built(cpu.with_name(overlay))

    assert faults(models, after) == []
    check_keys(after["spec"]["predictor"])
    now, then = (each["spec"]["predictor"] for each in (after, before))
    assert now["volumes"][:-1] == then.get("volumes", [])
    first, former = now["containers"][0], then["containers"][0]
    assert first["volumeMounts"][:-1] == former.get("volumeMounts", [])
    kept = [each for each in former["env"] if each["name"] != "REQUIRE_API_KEYS"]
    assert all(each in first["env"] for each in kept)


def check_keys(pod: Object) -> None:
    """The service in *pod* requires the keys of a Secret, all of which but one it reads."""
    (service,) = (each for each in pod["containers"] if each["name"] in SERVICE)
    others = [each for each in pod["containers"] if each is not service]
    environ = {each["name"]: each["value"] for each in service["env"]}
    assert environ["REQUIRE_API_KEYS"] == "True"
    assert environ["API_KEYS_FILE"] == "/run/access/keys"
    mounts = [each for each in service["volumeMounts"] if each["name"] == "keys"]
    assert mounts == [{"name": "keys", "mountPath": "/run/access", "readOnly": True}]  # no subPath
    (secret,) = (each["secret"] for each in pod["volumes"] if each["name"] == "keys")
    assert secret["secretName"] == f"{DEFAULT_SLUG}-keys"
    assert secret["items"] == [{"key": "keys", "path": "keys"}]
    assert "keys" not in json.dumps(others)


FINDS_NOTHING = """\
#!/bin/bash
[ "$1" != get ] || exit 0 # and finds nothing
exec {kubectl} "$@"
"""


@pytest.mark.parametrize("target", ["kubernetes", "kserve"])
def test_a_deployment_that_lacks_a_key_is_refused_before_it_begins(
    target: str, bake: Bake, tmp_path: Path
) -> None:
    repo = bake()
    folder = repo / "deploy" / {"kubernetes": "kubernetes/overlays", "kserve": "kserve"}[target]
    turn_on(folder / "cpu" / "kustomization.yaml", "keys")
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(FINDS_NOTHING.format(kubectl=shutil.which("kubectl")))
    kubectl.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "API_KEY": ""}
    words = ("make", "deploy", f"TARGET={target}", "IMAGE=name:1", f"PYTHON={sys.executable}")

    status, said = finished(*words, cwd=repo, environ=environ)
    assert (status, "error: API_KEY is empty" in said) == (2, True)
    status, said = finished(*words, cwd=repo, environ=environ | {"API_KEY": "a-key"})
    assert (status, f'"make key NAME=... TARGET={target}"' in said) == (2, True)


APPLIES_NOTHING = """\
#!/bin/bash
[ "$1" != apply ] || {kubectl} kustomize build/deploy >applied.yaml
[ "$1" != kustomize ] || exec {kubectl} "$@"
exit 1
"""


@pytest.mark.parametrize(
    ("origin", "runbooks", "expected"),
    [
        ("https://ci:hush@github.com/me/d.git", "", "https://github.com/me/d/blob/{}/"),
        ("git@github.example:me/d", "", "https://github.example/me/d/blob/{}/"),
        ("ssh://git@github.example:22/a/d.git", "", "https://github.example/a/d/blob/{}/"),
        ("https://git.example/github/d.git", "", ""),
        ("/srv/github.git", "", ""),
        ("", "https://git.example/d/-/blob/main", "https://git.example/d/-/blob/main/"),
    ],
)
def test_a_deployed_alert_links_to_what_is_to_be_done(
    origin: str, runbooks: str, expected: str, bake: Bake, tmp_path: Path
) -> None:
    repo = bake()
    turn_on(repo / "deploy/kubernetes/overlays/cpu/kustomization.yaml", "monitoring")
    head = commit(repo, "Begin")
    if origin:
        git(repo, "remote", "add", "origin", origin)
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(APPLIES_NOTHING.format(kubectl=shutil.which("kubectl")))
    kubectl.chmod(0o755)

    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    words = ("make", "deploy", "TARGET=kubernetes", "IMAGE=name:1")
    _, said = finished(*words, cwd=repo, environ=path | {"RUNBOOKS": runbooks})

    applied = list(yaml.safe_load_all((repo / "applied.yaml").read_text()))
    (group,) = of_kind(applied, "PrometheusRule")["spec"]["groups"]
    links = {
        rule["alert"]: rule["annotations"]["runbook_url"]
        for rule in group["rules"]
        if "alert" in rule
    }
    begin = f"{expected.format(head)}docs/operations.md#"
    assert links == {name: f"{begin}{name.lower()}" for name in links}
    assert "ErrorsFast" in links
    assert ("Set RUNBOOKS" in said) == (not expected), said
    (image,) = image_of_each(applied).values()
    assert image == "name:1"


@pytest.mark.parametrize("answers", distinct(), ids=name_of)
def test_compose_asks_for_keys_where_others_reach_the_service(
    answers: Combination, baked: Baked
) -> None:
    compose = yaml.safe_load((baked(answers) / "compose.yaml").read_text())
    service = compose["services"]["service"]

    assert service["ports"] == ["${BIND:-127.0.0.1}:${PORT:-8000}:8000"]
    assert service["environment"]["REQUIRE_API_KEYS"] == "${REQUIRE_API_KEYS:-${BIND:+True}}"
    assert service["environment"]["API_KEYS"] == "${API_KEYS:-}"


@pytest.mark.parametrize("answers", distinct(), ids=name_of)
def test_a_model_on_a_gpu_refuses_to_run_without(answers: Combination, baked: Baked) -> None:
    deploy = baked(answers) / "deploy"
    manifests = built(deploy / "kubernetes/overlays/gpu") + built(deploy / "kserve/gpu")
    found = {
        (manifest["kind"], name): told.get("value")
        for manifest in manifests
        if manifest["kind"] in {"Deployment", "InferenceService"}
        for container in containers(manifest)
        if "nvidia.com/gpu" in container["resources"]["limits"]
        for name, told in [("DEVICE", each) for each in container.get("env", [])][-1:]
    }

    assert found == {("Deployment", "DEVICE"): "cuda", ("InferenceService", "DEVICE"): "cuda"}


def test_a_namespace_holds_several_projects(bake: Bake, tmp_path: Path) -> None:
    found: list[set[tuple[str, str]]] = []
    for slug in ("digit-reader", "message-sorter"):
        deploy = bake(project_slug=slug) / "deploy"
        monitored = with_components(
            deploy / "kubernetes/overlays/cpu", tmp_path / slug, "monitoring"
        )
        manifests = built(monitored) + built(deploy / "kubernetes/deployer")
        manifests += built(deploy / "kserve/cpu")
        found.append({(each["kind"], each["metadata"]["name"]) for each in manifests})
        selectors = re.findall(r'"app.kubernetes.io/name": "([^"]+)"', json.dumps(manifests))
        assert set(selectors) == {slug}
        assert len(selectors) > 8
        (scaler,) = (each for each in manifests if each["kind"] == "HorizontalPodAutoscaler")
        assert scaler["spec"]["scaleTargetRef"]["name"] == slug
        pulls = re.findall(r'"imagePullSecrets": \[\{"name": "([^"]+)"', json.dumps(manifests))
        assert pulls == [f"{slug}-registry"] * 2

    assert found[0] & found[1] == set()
    assert len(found[0]) == len(found[1]) == 13


@pytest.mark.parametrize("answers", distinct(), ids=name_of)
def test_a_cluster_may_choose_the_user_and_a_pod_may_ask_for_names(
    answers: Combination, baked: Baked
) -> None:
    deploy = baked(answers) / "deploy"
    manifests = built(deploy / "kubernetes/overlays/gpu") + built(deploy / "kserve/gpu")
    (policy,) = (each for each in manifests if each["kind"] == "NetworkPolicy")

    assert not re.search("runAsUser|runAsGroup|fsGroup", json.dumps(manifests))
    (egress,) = policy["spec"]["egress"]
    ports = {(each["protocol"], each["port"]) for each in egress["ports"]}
    assert ports == {("UDP", 53), ("TCP", 53), ("UDP", 5353), ("TCP", 5353)}


def test_a_deployer_may_do_what_a_deployment_needs_and_no_more(
    baked: Baked, tmp_path: Path
) -> None:
    deploy = baked(distinct()[0]) / "deploy"
    manifests = built(deploy / "kubernetes/deployer")
    for each in manifests:
        kubernetes_validate.validate(each, SCHEMAS, strict=True)
    (role,) = (each for each in manifests if each["kind"] == "Role")
    allowed = {
        (resource, verb)
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }

    applied = built(
        with_components(deploy / "kubernetes/overlays/cpu", tmp_path / "deploy", *COMPONENTS)
    )
    for kind in {each["kind"] for each in applied}:
        plural = re.sub("ys$", "ies", f"{kind.lower()}s").replace("sss", "sses")
        assert {(plural, "create"), (plural, "patch"), (plural, "delete")} <= allowed, plural
    assert not any("*" in pair or "secrets" in pair or "roles" in pair for pair in allowed)


@pytest.mark.parametrize("answers", distinct(), ids=name_of)
def test_every_query_is_understood_by_prometheus(
    answers: Combination, baked: Baked, tmp_path: Path
) -> None:
    repo = baked(answers)
    overlay = with_components(
        repo / "deploy/kubernetes/overlays/cpu", tmp_path / "deploy", "monitoring"
    )
    found = [query for manifest in built(overlay) for query in queries(manifest)]
    rules = yaml.safe_load(
        (repo / "deploy/kubernetes/components/monitoring/prometheus-adapter.yaml").read_text()
    )
    for rule in rules["rules"]["custom"]:
        asked = rule["metricsQuery"].replace("<<.GroupBy>>", "pod")
        found += [rule["seriesQuery"], asked.replace("<<.LabelMatchers>>", 'pod="a"')]

    assert len(found) > 20
    for query in found:
        promql_parser.parse(query)


def queries(manifest: Object) -> Iterator[str]:
    """What *manifest* asks Prometheus."""
    if manifest["kind"] == "PrometheusRule":
        for group in manifest["spec"]["groups"]:
            yield from (rule["expr"] for rule in group["rules"])
    if manifest["kind"] == "ConfigMap":
        for text in manifest["data"].values():
            for panel in json.loads(text)["panels"]:
                for target in panel["targets"]:
                    yield target["expr"].replace("$__rate_interval", "5m")
