#!/usr/bin/env bash
# deploy.sh deploy|rollback: run IMAGE at TARGET, smoke-test it, roll back when either fails.
# Called by "make deploy" and "make rollback", which set the variables. NAME is what objects in a cluster
# are called. Where the model has an image of its own, that is SERVER_IMAGE. An empty URL: the smoke test
# runs inside the container.
# shellcheck disable=SC2329  # each target has the same functions, called by name
set -euo pipefail
action=$1
project=$COMPOSE_PROJECT_NAME

fail() { echo "error: $*" >&2 && exit 1; }

by_digest() { # name:tag -> name@sha256:..., as its registry has it now; an image of this machine as it is
    case $1 in
        *@sha256:*) echo "$1" ;;
        */*:*) digest=$(docker buildx imagetools inspect --format '{{printf "%s" .Manifest.Digest}}' "$1") && echo "${1%:*}@$digest" ;;
        */*) fail "IMAGE is \"$1\"; it must end with a tag or a digest, like registry.example/me/name:1.0." ;;
        *) echo "$1" ;;
    esac
}

smoke() { # the image has the test, and is sent the examples
    if [ -n "$URL" ]; then
        "$PYTHON" -m service.smoke "$URL" --timeout 60
    else
        { echo "${API_KEY:-}" && tar -c examples; } | # not in the command, which clusters keep in their logs
            inside sh -c "read -r API_KEY; export API_KEY; cd \"\$(mktemp -d)\" && tar -x && python -m service.smoke http://127.0.0.1:8000 --timeout 60"
    fi
}

on_compose() { # remembers images by tags: "before" while another is tried, "previous" after it
    services=$(docker compose config --services)
    id_of() { docker inspect --format '{{.Image}}' "$(docker compose ps --quiet --status running "$1")" 2>/dev/null; }
    before() { for each in $services; do docker tag "$(id_of "$each")" "$project-$each:before" 2>/dev/null || return 1; done; }
    use() {
        for each in $services; do [ "$each" = service ] || SERVER_IMAGE=$project-$each:$1; done
        IMAGE=$project-service:$1
        docker image inspect "$IMAGE" >/dev/null || fail "there is no release to go back to."
    }
    start() { docker compose up --detach --no-build --wait --wait-timeout 600; }
    previous() { use previous; }
    undo() { start; }
    restore() { use before && start; }
    remove() { docker compose down; }
    inside() { docker compose exec --no-TTY service "$@"; }
    explain() { docker compose ps --all && docker compose logs --no-color --tail 50; }
    remember() {
        [ "$(id_of service)" != "$(docker inspect --format '{{.Id}}' "$project-service:before")" ] || return 0
        for each in $services; do docker tag "$project-$each:before" "$project-$each:previous"; done
    }
}

check_keys() { # now, and not when pods have waited for them in vain
    kubectl kustomize "$folder" | grep "secretName: $NAME-keys\$" >/dev/null || return 0
    [ -n "${API_KEY:-}" ] || fail "API_KEY is empty; with components/keys it must be a key, for the smoke test."
    found=$(kubectl get secret "$NAME-keys" --ignore-not-found --output=name 2>/dev/null) || return 0 # not for all to see
    [ -n "$found" ] || fail "there is no Secret \"$NAME-keys\". Run \"make key NAME=... TARGET=$TARGET\"."
}

address() { # where a browser reads the files of this commit: RUNBOOKS, or what the remote says, but for a password
    local url host
    url=$(git remote get-url origin 2>/dev/null | sed -E 's#^(ssh://)?[^@/]+@([^:/]+)(:[0-9]+/|[:/])#https://\2/#; s#//[^@/]*@#//#; s#(\.git)?/*$##') || true
    host=${url#https://}
    case ${RUNBOOKS:-}${host%%/*} in
        http*) echo "${RUNBOOKS%/}/" ;;
        *github*) echo "$url/blob/$(git rev-parse HEAD)/" ;;
    esac
}

on_cluster() { # kind, folder of manifests, selector of pods, container
    kind=$1 folder=$2 selector=$3 container=$4
    [ -d "$folder" ] || fail "OVERLAY is \"$OVERLAY\"; it must be a folder of ${folder%/*}."
    check_keys
    value() { kubectl get "$kind" "$NAME" --ignore-not-found --output=jsonpath="{$1}"; }
    start() {
        images="{name: service, newName: '$IMAGE'}"
        kubectl kustomize "$folder" | sed "s#\(runbook_url: \)docs/#\1$(address)docs/#" >build/deploy/objects.yaml
        ! grep "runbook_url: docs/" build/deploy/objects.yaml >/dev/null || echo "Alerts do not link to their runbooks: remote \"origin\" does not say where a browser reads this repository. Set RUNBOOKS to the address that docs/operations.md is below." >&2
        servers=$(sed -n 's/^ *\(- \)\?image: //p' build/deploy/objects.yaml | grep -vx service || true)
        for each in $servers; do
            images+=", {name: $each, newName: '$SERVER_IMAGE'}"
        done
        printf '%s\n' "resources: [objects.yaml]" "images: [$images]" >build/deploy/kustomization.yaml
        kubectl apply --kustomize build/deploy && ready
    }
    remove() { kubectl delete --ignore-not-found --kustomize build/deploy; }
    inside() {
        newest=$(kubectl get pods --selector="$selector" --field-selector=status.phase=Running \
            --sort-by=.metadata.creationTimestamp --output=name | tail -n 1)
        kubectl exec --stdin "$newest" --container="$container" -- "$@"
    }
    explain() {
        kubectl get pods --selector="$selector" --output=wide
        kubectl get events --field-selector=type=Warning --sort-by=.lastTimestamp | tail -n 20
        kubectl logs --selector="$selector" --all-containers --prefix --tail=30 --ignore-errors
    }
    remember() { :; } # the cluster does
}

on_kubernetes() {
    on_cluster deployment "deploy/kubernetes/overlays/$OVERLAY" "app.kubernetes.io/name=$NAME" service
    revision() { value '.metadata.annotations.deployment\.kubernetes\.io/revision'; }
    before() { good=$(revision) && [ -n "$good" ]; }
    ready() { kubectl rollout status "deployment/$NAME"; }
    previous() { kubectl rollout undo "deployment/$NAME" --dry-run=client >/dev/null; }
    undo() { kubectl rollout undo "deployment/$NAME" && ready; }
    restore() { # and forget what failed, or a later rollback would go there
        bad=$(kubectl get replicasets --selector="$selector" --output=jsonpath="{.items[?(@.metadata.annotations.deployment\.kubernetes\.io/revision=='$(revision)')].metadata.name}")
        kubectl rollout undo "deployment/$NAME" --to-revision="$good" && ready || return 1
        [ "$(revision)" = "$good" ] || kubectl delete replicaset "$bad" --ignore-not-found --wait=false
    }
}

on_kserve() {
    on_cluster inferenceservice "deploy/kserve/$OVERLAY" "serving.kserve.io/inferenceservice=$NAME" kserve-container
    wait_for() { kubectl wait "inferenceservice/$NAME" --timeout=600s --for="$1"; }
    before() { kubectl apply view-last-applied "inferenceservice/$NAME" >build/deploy/before.yaml; }
    ready() { # the newest revision is the one that is ready and gets the requests
        wait_for "jsonpath={.status.observedGeneration}=$(value .metadata.generation)" &&
            wait_for "jsonpath={.status.components.predictor.latestReadyRevision}=$(value .status.components.predictor.latestCreatedRevision)" &&
            wait_for condition=Ready
    }
    previous() { fail "KServe keeps no earlier release to go back to; deploy the earlier image."; }
    restore() { kubectl apply --filename=build/deploy/before.yaml && ready; }
}

recover() {
    set +e
    trap - EXIT
    explain
    if [ -n "$first" ]; then
        remove && fail "$action of $IMAGE failed. Nothing ran before, so it was removed."
    else
        (restore) && fail "$action of $IMAGE failed. What ran before runs again."
    fi
    fail "$action of $IMAGE failed, AND SO DID THE ROLLBACK, for the reason above. Deploy an image that works."
}

mkdir -p build/deploy
export IMAGE SERVER_IMAGE=${SERVER_IMAGE:-}
case $TARGET in
    compose | kubernetes | kserve) "on_$TARGET" ;;
    *) fail "TARGET is \"$TARGET\"; it must be compose, kubernetes or kserve." ;;
esac
if [ "$action" = deploy ]; then
    IMAGE=$(by_digest "$IMAGE")
    [ -z "$SERVER_IMAGE" ] || SERVER_IMAGE=$(by_digest "$SERVER_IMAGE")
    replace=start
else
    previous
    replace=undo
fi
before && first='' || first=yes
trap recover EXIT
trap 'exit 1' INT TERM
echo "$action to $TARGET: $IMAGE $SERVER_IMAGE"
$replace
smoke
trap - EXIT
[ -n "$first" ] || remember
echo "$action to $TARGET: done, and it answers as it must."
