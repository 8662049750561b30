"""``python release/digest.py IMAGE``: the pushed image by its digest, which names it for ever.

A tag may be moved; what is signed and attested is the very image that this machine has pushed.
"""

import json
import subprocess
import sys


def main(image: str) -> str:
    """*image* as ``repository@sha256:...``.

    Raises:
        SystemExit: it is not on this machine, or was not pushed.
    """
    if "@sha256:" in image:
        return image
    found = subprocess.run(
        ["docker", "image", "inspect", "--format={{json .RepoDigests}}", image],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode != 0:
        sys.exit(f'error: there is no image "{image}" here: {found.stderr.strip()}')
    digests: list[str] = json.loads(found.stdout) or []
    for name in digests:
        if name.partition("@")[0] in {repository(image), f"docker.io/{repository(image)}"}:
            return name
    sys.exit(
        f'error: "{image}" has no digest in its registry; it was not pushed since it was built. '
        f'Run "make push".'
    )


def repository(image: str) -> str:
    """*image* without its tag."""
    path, slash, name = image.rpartition("/")
    return path + slash + name.partition(":")[0]


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004 - itself and the image
        sys.exit("usage: python release/digest.py IMAGE")
    sys.stdout.write(f"{main(sys.argv[1])}\n")
