"""Requests for which there is no place: many at once cost little, and none loses its way."""

import http.client
import threading
import time
from collections.abc import Iterator

import pytest
import samples
from asking import wait_for
from served import HEAD, THREADS, Served, code_of, serving

LENGTH = f"Content-Length: {len(samples.RAW)}\r\n"
COUNTED = f'service_requests_total{{method="POST",route="{samples.ROUTE}",status="503"}} '


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service whose places are all taken."""
    with serving(tmp_path_factory.mktemp("full")) as served:
        served.model.gate.clear()
        served.model.entered.clear()
        asking = [
            threading.Thread(target=served.ask, args=(samples.ROUTE, samples.RAW))
            for _ in range(THREADS)
        ]
        for thread in asking:
            thread.start()
        assert served.model.entered.wait(5)
        time.sleep(0.2)
        yield served
        served.model.gate.set()
        for thread in asking:
            thread.join()


def refused(full: Served) -> float:
    """How many the metrics have counted."""
    after = full.ask("/metrics")[1].decode().partition(COUNTED)[2]
    return float(after.partition("\n")[0] or 0)


def test_a_refusal_is_on_a_connection_that_stays_and_counted(full: Served) -> None:
    heads = ("", "", "X-Request-Id: mine\r\n", "Expect: 100-continue\r\n", "Connection: close\r\n")
    before = refused(full)
    ids = []
    with full.connect() as connection:
        for head in heads:
            connection.sendall(f"{HEAD}{head}{LENGTH}\r\n".encode() + samples.RAW)
            with http.client.HTTPResponse(connection) as response:
                response.begin()
                assert (response.status, code_of(response.read())) == (503, "queue_full")
                assert int(response.headers["retry-after"]) >= 1
                assert response.headers["date"]
            ids.append(response.headers["x-request-id"])
        assert connection.recv(1) == b""

    assert refused(full) - before == len(heads)
    assert ids[0] == ids[1]  # nothing tells the two apart
    assert ids[2] == "mine"
    assert len(set(ids)) == len(ids) - 1


@pytest.mark.parametrize(
    ("framing", "body", "status"),
    [
        ("Transfer-Encoding: chunked\r\n", b"%x\r\n%b\r\n0\r\n\r\n", 503),
        (LENGTH.replace(": ", ":"), b"%b", 503),
        (f"X: y\nTransfer-Encoding: chunked\r\n{LENGTH}", b"%b", 400),
        (f"{LENGTH}content-length: 1\r\n", b"%b", 400),
        (f"X : y\r\nTransfer-Encoding : chunked\r\n{LENGTH}", b"%b", 400),
    ],
)
def test_what_is_no_plain_request_is_parsed(
    full: Served, framing: str, body: bytes, status: int
) -> None:
    values = (len(samples.RAW), samples.RAW)
    text = f"{HEAD}{framing}\r\n".encode() + body % (values if b"%x" in body else samples.RAW)

    assert full.say(text.decode("latin-1"))[0] == status


def test_two_requests_in_one_piece_have_two_answers(full: Served) -> None:
    one = f"{HEAD}{LENGTH}\r\n".encode() + samples.RAW
    with full.connect() as connection:
        connection.sendall(one + one)
        found = b""
        while found.count(b"HTTP/1.1 503 ") < len([one, one]):
            data = connection.recv(65536)
            assert data, found
            found += data


def test_a_place_that_is_free_again_is_given(full: Served) -> None:
    full.model.gate.set()

    wait_for(lambda: full.ask(samples.ROUTE, samples.RAW)[0] == http.client.OK)
