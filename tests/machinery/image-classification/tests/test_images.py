"""Images and the service around them: what is tried, and how much memory they take."""

import contextlib
import http.client
import io
import re
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import samples
from asking import ask, assert_problem
from conftest import MakeService, Service
from fake_version import write_fake_version
from PIL import Image
from processes import FAKE_SERVICE, ROOT, Process, Start, starting

SIDE = 4472
"""In pixels; such a square is just below the default of MAX_PIXELS."""
AT_ONCE = 8
WITH_FRAMEWORK = (
    "-c",
    f"import runpy, service.runtime; runpy.run_path({FAKE_SERVICE[0]!r}, run_name='__main__')",
)
"""The fake service, with the memory that a real model's framework takes."""
UNITS = {"M": 2**20, "G": 2**30}


@pytest.mark.parametrize(
    "content_type",
    ["image/jpg", "image/pjpeg", "image/x-png", "IMAGE/PNG", "image/*", "image/png; charset=x"],
)
def test_every_kind_of_image_is_tried(service: Service, content_type: str) -> None:
    headers = {"Content-Type": content_type}

    response = service.client.post("/predict", content=samples.RAW, headers=headers)

    assert response.json().get("prediction") == samples.ANSWER, response.text


def test_what_is_no_image_is_not_tried(service: Service) -> None:
    headers = {"Content-Type": "imagery/png"}

    response = service.client.post("/predict", content=samples.RAW, headers=headers)

    assert_problem(response, 415, "unsupported_media_type")


def test_too_many_pixels_in_a_request_are_a_422(make_service: MakeService) -> None:
    service = make_service(max_request_pixels=30)
    service.wait_until_ready()

    assert ask(service).status_code == http.client.OK
    refused = ask(service, {"inputs": [samples.VALUE] * 2})
    assert_problem(refused, 422, "invalid_input", "body")
    assert "48 pixels together; at most 30" in refused.text


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    write_fake_version(tmp_path / "default")
    with starting(tmp_path / "default", tmp_path, WITH_FRAMEWORK) as function:
        yield function


def test_the_largest_images_fit_into_the_memory_that_is_shipped(start: Start) -> None:
    process = start(REQUEST_TIMEOUT_SECONDS="300")
    process.wait_until_ready()
    statuses: list[int] = []
    for content in (deep_png(), webp()):
        threads = [
            threading.Thread(target=lambda sent=content: statuses.append(post(process, sent)))
            for _ in range(AT_ONCE)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    peak = sum(map(peak_bytes, processes_of(process.process.pid)))
    assert statuses == [http.client.OK] * 2 * AT_ONCE
    assert peak < min(limits())


def limits() -> list[int]:
    """Bytes that compose and Kubernetes allow the service: its container is the first."""
    files = [ROOT / "compose.yaml", ROOT / "deploy/kubernetes/base/deployment.yaml"]
    limited = [path.read_text(encoding="utf-8").partition("limits:")[2] for path in files]
    found = [re.findall(r"memory: (\d+)([MG])", text)[0] for text in limited]
    return [int(number) * UNITS[unit] for number, unit in found]


def post(process: Process, content: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=300)
    with contextlib.closing(connection):
        connection.request("POST", "/predict", content, {"Content-Type": "image/*"})
        with connection.getresponse() as response:
            return response.status


def processes_of(pid: int) -> list[int]:
    """*pid* and the processes that it has started."""
    started = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in started for each in processes_of(int(child)))]


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def deep_png() -> bytes:
    """A PNG of 16 bits a channel, with transparency; few bytes, many pixels."""
    size = SIDE.to_bytes(4, "big")
    rows = zlib.compress((b"\0" + b"\x12\x34" * 4 * SIDE) * SIDE)
    chunks = [(b"IHDR", size + size + b"\x10\x06\0\0\0"), (b"IDAT", rows), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
        for kind, data in chunks
    )


def webp() -> bytes:
    """A lossless WebP file with transparency: the format that takes most memory for a pixel."""
    file = io.BytesIO()
    Image.new("RGBA", (SIDE, SIDE), (1, 2, 3, 128)).save(file, "WEBP", lossless=True, method=0)
    return file.getvalue()
