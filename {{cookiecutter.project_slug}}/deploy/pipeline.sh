#!/usr/bin/env bash
# pipeline.sh model|image|publish|deploy: a stage of the pipeline, the same in every CI system. What it does
# are targets of the Makefile. The pipeline's file sets, beside the variables that stand at its top:
#   IMAGE_NAME      as in registry.example.com/team/name; empty: nothing is pushed
#   REF_NAME        the branch or tag that is built, and BUILD_NUMBER; REF_TYPE is "tag" for tags
#   VISIBILITY      "public" where everybody may read the repository on a host that sigstore knows, whose
#                   identities COSIGN_ISSUER issues
#   REGISTRY_USER, REGISTRY_PASSWORD, COSIGN_KEY, BUILD_...: see the Makefile
set -euo pipefail
published=build/pipeline/published.env # what "publish" leaves for "deploy": images by digest
scratch=$(mktemp -d "${RUNNER_TEMP:-${TMPDIR:-/tmp}}/pipeline.XXXXXX") # for keys: this user's alone
started=

finish() {
    [ -z "$started" ] || make down
    rm -rf "$scratch"
}
trap finish EXIT

step() { echo "-- make $*" && make "$@"; }

warn() { # title, text: as loud as the CI system can
    printf '\n!!! %s\n!!! %s\n\n' "$1" "$2"
    if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
        echo "::warning title=$1::$2"
        printf '## %s\n\n%s\n' "$1" "$2" >>"$GITHUB_STEP_SUMMARY"
    fi
}

name() { # the image: a tag has its name, every other build one of its own, so that a deployment sees it is new
    local tag=${REF_NAME//[^A-Za-z0-9_.-]/-}
    if [ "${REF_TYPE:-}" != tag ]; then
        [ "$tag" = "$REF_NAME" ] || tag+=-$(printf '%s' "$REF_NAME" | cksum | cut -c 1-6) # a/b is not a-b
        tag=${tag:0:100}-$BUILD_NUMBER
    fi
    project=$(sed -n 's/^export COMPOSE_PROJECT_NAME ?= //p' Makefile)
    export IMAGE=${IMAGE_NAME:-$project}:${tag:0:120}
}

alone() { # containers and a port of this build, beside others on the machine
    export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-$(tr 'A-Z.' 'a-z-' <<<"$project-${IMAGE##*:}")}
    export PORT=${PORT:-$(python3 -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')}
    export URL=${URL:-http://localhost:$PORT}
}

engine() { # wait until it answers
    local said='' _
    for _ in $(seq "${ENGINE_SECONDS:-30}"); do
        said=$(docker info --format '{{.ID}}' 2>&1) && return
        sleep 1
    done
    echo "error: no Docker engine answers at ${DOCKER_HOST:-the default socket}, so no image can be built:" \
        "${said##*$'\n'}${ENGINE_HINT:+ $ENGINE_HINT}" >&2
    return 1
}

login() { # with a configuration that is thrown away
    [ -n "${IMAGE_NAME:-}" ] && [ -n "${REGISTRY_PASSWORD:-}" ] || return 0
    local plugins=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins
    [ ! -d "$plugins" ] || ln -s "$plugins" "$scratch/cli-plugins"
    export DOCKER_CONFIG=$scratch
    make --silent login
}

is_starter() { # what the image serves says so
    local models=models/default version
    version=$(cat "$models/current" 2>/dev/null || find "$models" -mindepth 1 -printf '%f\n' | grep -x '[0-9]*' | sort -n | tail -n 1)
    grep -q '^  "starter": true' "$models/$version/manifest.json"
}

signer() { # how images are signed: set what cosign needs, or say why they are not
    if [ -n "${COSIGN_KEY:-}" ]; then
        # Without an entry in sigstore's public log, unless everybody may know.
        if [ "${VISIBILITY:-}" != public ] && [ "${PUBLIC_LOG:-}" != 1 ]; then
            export COSIGN_FLAGS="${COSIGN_FLAGS:-} --tlog-upload=false"
            export COSIGN_VERIFY_FLAGS="${COSIGN_VERIFY_FLAGS:-} --insecure-ignore-tlog=true"
        fi
        cosign public-key --key "$COSIGN_KEY" >"$scratch/cosign.pub"
        export COSIGN_PUBLIC_KEY=$scratch/cosign.pub
    elif [ "${VISIBILITY:-}" = public ] || [ "${PUBLIC_LOG:-}" = 1 ]; then
        export COSIGN_IDENTITY="^${BUILD_REPOSITORY//./\\.}/"
    else
        echo "Not signed: that would publish this repository's name, workflow and commit in sigstore's public log." \
            "Set PUBLIC_LOG to 1 if it may, or sign by a key: COSIGN_KEY."
        return 1
    fi
}

model() {
    login
    step model
    step compare
    step verify
}

image() {
    engine
    alone
    started=yes
    unset API_KEY API_KEYS # which are production's
    export REQUIRE_API_KEYS=False
    step up
    step smoke
    step loadtest
    step sbom
}

publish() {
    rm -f "$published"
    if is_starter; then
        if [ "${PUBLISH_STARTER:-}" != 1 ]; then
            warn "The starter model was not published" "It was trained on nothing but the examples that came with this repository. All the rest passed. Bring your model by a variable, MODEL_FROM, DATA or BASE_MODEL; or, if the examples are yours by now, set IS_STARTER in src/model/data.py to False. PUBLISH_STARTER=1 publishes the starter."
            return
        fi
        warn "The starter model is published" "PUBLISH_STARTER is 1, and the image has the model that was trained on the examples of this repository."
    fi
    login
    step push
    local signed=
    if signer; then
        step sign
        step attest
        signed=yes
    fi
    mkdir -p "${published%/*}"
    make --silent pushed | sed -e '1s/^/IMAGE=/' -e '2s/^/SERVER_IMAGE=/' >"$published"
    echo "SIGNED=$signed" >>"$published"
    cat "$published" | tee -a "${GITHUB_OUTPUT:-/dev/null}"
}

put() { # content, or the file that has it
    (umask 077 && if [ -f "$1" ]; then cat "$1"; else printf '%s\n' "$1"; fi >"$scratch/$2")
}

keys() { # where the tools look, and nowhere else
    if [ -n "${DEPLOY_KUBECONFIG:-}" ]; then
        put "$DEPLOY_KUBECONFIG" kubeconfig
        export KUBECONFIG=$scratch/kubeconfig
    fi
    if [ -n "${DEPLOY_SSH_KEY:-}" ]; then
        put "$DEPLOY_SSH_KEY" key
        put "${DEPLOY_KNOWN_HOSTS:-}" hosts
        mkdir "$scratch/bin"
        printf '#!/bin/sh\nexec "%s" -i "%s" -o UserKnownHostsFile="%s" "$@"\n' \
            "$(command -v ssh)" "$scratch/key" "$scratch/hosts" >"$scratch/bin/ssh"
        chmod 700 "$scratch/bin/ssh"
        export PATH=$scratch/bin:$PATH
    fi
    if [ -n "${DEPLOY_DOCKER_HOST:-}" ]; then
        export DOCKER_HOST=$DEPLOY_DOCKER_HOST
        unset DOCKER_TLS_VERIFY DOCKER_CERT_PATH
    fi
}

deploy() {
    unset IMAGE SERVER_IMAGE URL SIGNED
    # shellcheck source=/dev/null
    [ ! -f "$published" ] || . "$published"
    if [ -z "${IMAGE:-}" ]; then
        warn "Nothing was deployed" "No image was published before."
        return
    fi
    export IMAGE ${SERVER_IMAGE:+SERVER_IMAGE} TARGET=$DEPLOY_TARGET OVERLAY=${DEPLOY_OVERLAY:-cpu}
    login
    if [ -n "$SIGNED" ]; then
        signer
        step verify-image
    fi
    keys
    step deploy
    step promote
}

IMAGE_NAME=${IMAGE_NAME:-} && IMAGE_NAME=${IMAGE_NAME,,}
case $IMAGE_NAME in *\$*) IMAGE_NAME= ;; esac # a variable that the CI system does not have
[ "${DEPLOY_OVERLAY:-}" != gpu ] || [ "$1" = model ] || export OVERLAY=gpu
name
"$1"
