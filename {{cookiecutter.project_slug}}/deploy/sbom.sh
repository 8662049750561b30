#!/usr/bin/env bash
# sbom.sh IMAGE FILE: list the Debian packages of an image and the Python packages of all its environments,
# as CycloneDX. The image is only read; nothing in it is run. UV says where uv is.
set -euo pipefail
debsbom=(tool run --quiet --from "debsbom[cdx]==0.10.2" debsbom)
cyclonedx=(tool run --quiet --constraints requirements.lock --from cyclonedx-bom cyclonedx-py)

id=$(docker image inspect --format '{{.Id}}' "$1")
container=$(docker create "$1" none)
scratch=$(mktemp -d)
trap 'docker rm --volumes "$container" >/dev/null; rm -rf "$scratch"' EXIT
docker export "$container" >"$scratch/image.tar"

"$UV" "${debsbom[@]}" generate --sbom-type cdx --root "$scratch/image.tar" --out "$scratch/debian"
# The Python packages are read from what installers leave beside each, in an environment of no others.
"$UV" venv --quiet "$scratch/venv"
site=$("$scratch/venv/bin/python" -c 'import site; print(site.getsitepackages()[0])')
tar -t -f "$scratch/image.tar" | { grep -E '/site-packages/[^/]+\.dist-info/[^/]+$' || true; } >"$scratch/files"
tar -x -f "$scratch/image.tar" -C "$site" --transform 's#.*/site-packages/##' --files-from "$scratch/files"
"$UV" "${cyclonedx[@]}" environment --pyproject pyproject.toml --output-file "$scratch/python.cdx.json" "$scratch/venv"

mkdir -p "$(dirname "$2")"
"$UV" "${debsbom[@]}" merge --sbom-type cdx --distro-name "$1" --distro-version "$id" \
    --out "${2%.cdx.json}" "$scratch/debian.cdx.json" "$scratch/python.cdx.json"
