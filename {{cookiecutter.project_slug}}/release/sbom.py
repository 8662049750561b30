"""``python release/sbom.py IMAGE FILE``: what is in an image, as a CycloneDX bill of materials.

Python, the packages that lie in its environment, whatever the lock says, and the packages of the
operating system. The image is only read; nothing in it is run. What a package brings compiled into
itself, such as OpenBLAS in NumPy, is a part of that package here.
"""

import email
import json
import subprocess
import sys
import tarfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, Any

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

ENVIRONMENTS = ("/app/.venv", "/usr/local/lib")
"""Where Python packages are: the service's, and those that come with Python's official images."""
PACKAGES = "/var/lib/dpkg/status"
SYSTEM = ("/etc/os-release", "/usr/lib/os-release")
"""The first is a link to the second in most images."""


def main(image: str, path: Path) -> None:
    """Write the bill of materials of *image* to *path*.

    Raises:
        SystemExit: the image is not there, or has no packages.
    """
    facts = json.loads(_docker("image", "inspect", image))[0]
    with TemporaryDirectory(prefix="sbom-") as scratch, created(image) as container:
        bom = Bom()
        for number, folder in enumerate(ENVIRONMENTS):
            add(bom, python_packages(container, folder, Path(scratch) / str(number)))
        for component in system_packages(container):
            bom.components.add(component)
    for component in interpreter(facts["Config"]["Env"] or []):
        bom.components.add(component)
    if not bom.components:
        sys.exit(f'error: "{image}" has no package in {", ".join(ENVIRONMENTS)} or {PACKAGES}.')
    name, _, tag = image.rpartition(":")
    bom.metadata.component = Component(
        name=name if tag and "/" not in tag else image,
        version=facts["Id"],
        type=ComponentType.CONTAINER,
        bom_ref="image",
        properties=[Property(name="oci:image:id", value=facts["Id"])],
    )
    bom.register_dependency(bom.metadata.component, bom.components)
    text = JsonV1Dot6(bom).output_as_string(indent=2)
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        sys.exit(f"error: what was written is no valid CycloneDX: {error}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")
    counts: dict[str, int] = {}
    for component in bom.components:
        kind = component.purl.type if component.purl else "other"
        counts[kind] = counts.get(kind, 0) + 1
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    sys.stdout.write(f"{path}: {image} has {len(bom.components)} components: {listed}\n")


@contextmanager
def created(image: str) -> Iterator[str]:
    """A container of *image* that is never started."""
    container = _docker("create", image, "none").strip()
    try:
        yield container
    finally:
        _docker("rm", "--volumes", container)


def add(bom: Bom, more: Bom) -> None:
    """Let *bom* have what *more* has, and what of it needs what."""
    known = {component.bom_ref.value for component in bom.components}
    bom.metadata.tools = more.metadata.tools
    for component in more.components:
        if component.bom_ref.value not in known:
            bom.components.add(component)
    for dependency in more.dependencies:
        if dependency.ref.value not in known:
            bom.dependencies.add(dependency)


def python_packages(container: str, folder: str, copy: Path) -> Bom:
    """The packages of an environment below *folder*; none where there is none.

    They are read from a copy of what installers leave behind beside each package.
    """
    venv.create(copy, with_pip=False)
    (site,) = copy.glob("lib/python*/site-packages")
    with read(container, folder) as members:
        for name, file in members:
            place = PurePosixPath(name)
            is_installed = place.parts[-3:-2] == ("site-packages",)  # and no copy in another
            if is_installed and place.parent.suffix == ".dist-info":
                target = site / place.parent.name / place.name
                target.parent.mkdir(exist_ok=True)
                target.write_bytes(file.read())
    command = [sys.executable, "-m", "cyclonedx_py", "environment", str(copy)]
    said = subprocess.run(
        [*command, "--spec-version", "1.6", "--output-reproducible", "--output-file", "-"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    # Bom.from_json is added by the library's serializer, which mypy does not see.
    bom: Bom = Bom.from_json(json.loads(said.stdout))  # type: ignore[attr-defined]
    return bom


def system_packages(container: str) -> Iterator[Component]:
    """The packages that Debian's, or Ubuntu's, package manager has installed."""
    system: dict[str, str] = {}
    for path in SYSTEM:
        system |= dict(
            line.replace('"', "").split("=", 1)
            for line in _text(container, path).splitlines()
            if "=" in line
        )
    vendor = system.get("ID", "debian")
    release = {"distro": f"{vendor}-{system['VERSION_ID']}"} if "VERSION_ID" in system else {}
    for paragraph in _text(container, PACKAGES).split("\n\n"):
        fields = email.message_from_string(paragraph)
        if not fields.get("Status", "").endswith(" installed"):
            continue
        qualifiers = {"arch": str(fields["Architecture"]), **release}
        purl = PackageURL("deb", vendor, fields["Package"], fields["Version"], qualifiers)
        yield Component(
            name=fields["Package"],
            version=fields["Version"],
            type=ComponentType.LIBRARY,
            purl=purl,
            bom_ref=purl.to_string(),
        )


def interpreter(environment: list[str]) -> Iterator[Component]:
    """Python itself, which its official images have from no package, and name in *environment*."""
    for entry in environment:
        name, _, version = entry.partition("=")
        if name == "PYTHON_VERSION":
            purl = PackageURL("generic", name="python", version=version)
            yield Component(
                name="python",
                version=version,
                type=ComponentType.PLATFORM,
                purl=purl,
                bom_ref=purl.to_string(),
            )


def _text(container: str, path: str) -> str:
    with read(container, path) as members:
        return "".join(file.read().decode() for _, file in members)


@contextmanager
def read(container: str, path: str) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    """The files at or below *path* in *container*; none where there is no such path."""
    command = ["docker", "cp", f"{container}:{path}", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        if process.stdout.peek(1):  # type: ignore[attr-defined]  # a BufferedReader
            with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
                yield _files(tar)
            process.stdout.read()
        else:
            yield iter(())
        said = process.stderr.read().decode()
    if process.returncode != 0 and "Could not find the file" not in said:
        sys.exit(f"error: {' '.join(command)} failed: {said.strip()}")


def _files(tar: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
    for member in tar:
        file = tar.extractfile(member) if member.isreg() else None
        if file:
            yield member.name, file


def _docker(*words: str) -> Any:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f'error: "docker {" ".join(words)}" failed: {done.stderr.strip()}')
    return done.stdout


if __name__ == "__main__":
    if len(sys.argv) != 3:  # noqa: PLR2004 - itself, the image, the file
        sys.exit("usage: python release/sbom.py IMAGE FILE")
    main(sys.argv[1], Path(sys.argv[2]))
