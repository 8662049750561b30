#!/usr/bin/env bash
# sbom.sh IMAGE FILE: list the Debian packages of an image and the Python packages of all its environments,
# as CycloneDX. The image is only read; nothing in it is run. UV says where uv is.
set -euo pipefail
id=$(docker image inspect --format '{{.Id}}' "$1")
container=$(docker create "$1" none)
scratch=$(mktemp -d)
trap 'docker rm --volumes "$container" >/dev/null; rm -rf "$scratch"' EXIT
docker export "$container" >"$scratch/image.tar"
# With the hashes of the lock, as a pipeline does this where it may push images.
"$UV" venv --quiet "$scratch/tools"
"$UV" pip install --quiet --python "$scratch/tools" "debsbom[cdx]" cyclonedx-bom --constraint requirements.lock

"$scratch/tools/bin/debsbom" generate --sbom-type cdx --root "$scratch/image.tar" --out "$scratch/debian"
# The Python packages are read from what installers leave beside each, in an environment of no others.
"$UV" venv --quiet "$scratch/venv"
site=$("$scratch/venv/bin/python" -c 'import site; print(site.getsitepackages()[0])')
tar -t -f "$scratch/image.tar" | { grep -E '/site-packages/[^/]+\.dist-info/[^/]+$' || true; } >"$scratch/files"
tar -x -f "$scratch/image.tar" -C "$site" --transform 's#.*/site-packages/##' --files-from "$scratch/files"
"$scratch/tools/bin/cyclonedx-py" environment --pyproject pyproject.toml --output-file "$scratch/python.cdx.json" "$scratch/venv"

mkdir -p "$(dirname "$2")"
"$scratch/tools/bin/debsbom" merge --sbom-type cdx --distro-name "$1" --distro-version "$id" \
    --out "${2%.cdx.json}" "$scratch/debian.cdx.json" "$scratch/python.cdx.json"
