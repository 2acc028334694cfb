"""How answers of other programs are handled: they listen on ports too."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from eeg_emotion.cli.client import RestClient, ServiceError


class Stranger(HTTPServer):
    """Answers every request alike, and records the requests."""

    answer: tuple[int, bytes] = (200, b"{}")

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bytes]] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Stranger

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, body))
        status, answer = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_DELETE = _any

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Log nothing."""


Client = Callable[[int, bytes], RestClient]


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    with Stranger() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def client(stranger: Stranger) -> Client:
    def of(status: int, answer: bytes) -> RestClient:
        stranger.answer = status, answer
        return RestClient(f"http://127.0.0.1:{stranger.server_port}/")

    return of


def test_path_segments_are_escaped(client: Client, stranger: Stranger) -> None:
    assert client(200, b"[1]").ask("GET", "headsets", "a/b?c ä#", "baseline") == [1]
    assert stranger.asked == [("GET", "/v1/headsets/a%2Fb%3Fc%20%C3%A4%23/baseline", b"")]


def test_the_environments_proxy_is_not_used(
    client: Client, stranger: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert client(200, b"[1]").ask("GET", "headsets") == [1]
    assert len(stranger.asked) == 1


def test_a_body_is_sent_as_json_and_an_empty_response_is_none(
    client: Client, stranger: Stranger
) -> None:
    assert client(204, b"").ask("POST", "x", body={"seconds": 60}) is None
    assert stranger.asked == [("POST", "/v1/x", b'{"seconds": 60}')]


def test_a_problems_detail_is_shown_with_each_field(client: Client) -> None:
    problem = b'{"detail": "of no form", "errors": [{"place": "body.seconds", "found": "no"}]}'
    with pytest.raises(ServiceError, match=r"^of no form; body.seconds: no$"):
        client(422, problem).ask("GET", "x")


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b"null", b'"x"', b"{}", b"\xff", b""])
def test_an_error_without_a_problem_body_is_reported_with_its_status(
    client: Client, answer: bytes
) -> None:
    with pytest.raises(ServiceError, match=r"found the response 404 Not Found from .*/v1/x"):
        client(404, answer).ask("GET", "x")


def test_a_response_that_is_not_json_is_not_from_our_service(client: Client) -> None:
    with pytest.raises(ServiceError, match=r"found no eeg-emotion service at .*--url"):
        client(200, b"<html>hello</html>").ask("GET", "x")
