#!/usr/bin/env bash
# Render an example repository and push it over the one before, with its tag:
# NAME=digit-reader ANSWERS="backend=pytorch ..." REMOTE=... GITHUB_REF_NAME=v0.1.0 scripts/publish.sh
set -euo pipefail
root=$(realpath "$(dirname "$0")/..")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "$(grep '^cookiecutter==' "$root/requirements-dev.txt")"
# shellcheck disable=SC2153 # ANSWERS is a variable of the environment
read -ra answers <<<"$ANSWERS"
"$folder/venv/bin/cookiecutter" --no-input --default-config --output-dir "$folder" "$root" \
    "project_slug=$NAME" "${answers[@]}"

# What was there before keeps its history: an example shows what an update changes, too.
git clone --quiet "$REMOTE" "$folder/before"
mv "$folder/before/.git" "$folder/$NAME/.git"
cd "$folder/$NAME"
git config user.name "cookiecutter-model-serving"
git config user.email "cookiecutter-model-serving@users.noreply.github.com"
git checkout --quiet -B main
git add --all
git commit --quiet --allow-empty --message "Rendered by cookiecutter-model-serving $GITHUB_REF_NAME"
git tag --force "$GITHUB_REF_NAME"
git push --quiet origin main
git push --quiet --force origin "refs/tags/$GITHUB_REF_NAME"
