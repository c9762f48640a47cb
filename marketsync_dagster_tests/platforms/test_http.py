"""Whatever happens on the wire comes back as a value, bounded, masked and in time."""

from __future__ import annotations

import asyncio
import base64
import gzip
import logging
import socket
import time
from typing import Any

import pytest

from marketsync_dagster.config.accounts import Timeouts
from marketsync_dagster.platforms import http
from marketsync_dagster.platforms.base import Call
from marketsync_dagster.platforms.bodies import BodyKind
from marketsync_dagster.platforms.http import Cleaner, Response, Transport, TransportFailure
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster.values.redact import register_secret
from marketsync_dagster_tests.platforms.raw_server import Reply, answer, raw_server

Result = tuple[Response | TransportFailure, Call]
QUICK = Timeouts(connect_s=0.2, read_s=0.1)
PATIENT = Timeouts(connect_s=5, read_s=5)


async def ask(url: str, timeouts: Timeouts = PATIENT, **more: Any) -> Result:
    async with Transport(url, timeouts) as transport:
        return await transport.request("POST", "/x", content=b"{}", **more)


def served(reply: Reply | bytes, timeouts: Timeouts = PATIENT, **more: Any) -> Result:
    async def work() -> Result:
        async with raw_server(reply) as server:
            return await ask(server.url, timeouts, **more)

    return asyncio.run(work())


def response_of(result: Result) -> Response:
    assert isinstance(result[0], Response), result
    return result[0]


def failure_of(result: Result) -> TransportFailure:
    failure, call = result
    assert isinstance(failure, TransportFailure), result
    assert call.status is None
    assert call.error == failure.message
    return failure


def test_an_answer_comes_back_whole_with_its_time_and_request_id() -> None:
    result = served(answer(b'{"a":1}', "X-Request-Id: r-17", "Content-Type: application/json"))
    response = response_of(result)
    assert response.document() == (BodyKind.JSON, {"a": 1})
    call = result[1]
    assert (call.method, call.path, call.status, call.error) == ("POST", "/x", 200, "")
    assert call.request_id == "r-17"
    assert 0 <= call.milliseconds < 5_000


def test_a_refused_connection_has_sent_nothing() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    failure = failure_of(asyncio.run(ask(f"http://127.0.0.1:{port}/base")))
    assert failure.outcome is Outcome.RETRYABLE
    assert failure.message == (
        f"connect failed: no connection to http://127.0.0.1:{port}, nothing was sent; "
        "is the platform (or the sandbox) running?"
    )


def test_a_host_without_an_address_has_been_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_name(*args: object, **more: object) -> None:
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    failure = failure_of(asyncio.run(ask("https://platform.invalid")))
    assert failure.outcome is Outcome.RETRYABLE


def test_a_server_that_cannot_prove_who_it_is_has_been_sent_nothing() -> None:
    async def plain() -> tuple[Result, list[bytes]]:
        async with raw_server(answer(b"{}")) as server:
            return await ask(server.url.replace("http:", "https:"), QUICK), server.heads

    result, heads = asyncio.run(plain())
    assert failure_of(result).outcome is Outcome.RETRYABLE
    assert heads == []


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        answer(b"not gzip", "Content-Encoding: gzip"),
        answer(gzip.compress(b"{}", mtime=0)[:-4], "Content-Encoding: gzip"),
        answer(b"{}", "Content-Encoding: br"),
    ],
)
def test_an_answer_that_breaks_off_or_cannot_be_decoded_is_unknown(reply: bytes) -> None:
    assert failure_of(served(reply)).outcome is Outcome.UNKNOWN


def test_a_compressed_answer_is_unpacked() -> None:
    packed = gzip.compress(b'{"a":1}', mtime=0)
    response = response_of(served(answer(packed, "Content-Encoding: GZIP")))
    assert response.document() == (BodyKind.JSON, {"a": 1})


def test_no_answer_in_time_is_unknown() -> None:
    async def silent(head: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)

    failure = failure_of(served(silent, QUICK))
    assert failure.outcome is Outcome.UNKNOWN
    assert "in time" in failure.message


def test_a_body_that_drips_is_bounded_by_one_deadline_for_the_whole_call() -> None:
    async def drip(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    started = time.monotonic()
    assert failure_of(served(drip, QUICK)).outcome is Outcome.UNKNOWN
    assert time.monotonic() - started < 2


def test_a_success_beyond_the_bound_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_BODY", 1024 * 1024)
    failure = failure_of(served(answer(b" " * 1024 * 1024 + b"{}")))
    assert failure.outcome is Outcome.UNKNOWN
    assert failure.message == "the answer is larger than 1 MB"


def test_a_bomb_is_not_unpacked_beyond_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_BODY", 1024 * 1024)
    bomb = gzip.compress(b" " * 50_000_000, mtime=0)
    failure = failure_of(served(answer(bomb, "Content-Encoding: gzip")))
    assert failure.message == "the answer is larger than 1 MB"
    assert len(http._decoded(bomb, "gzip", whole=True) or b"") == 1024 * 1024 + 1


def test_a_huge_error_is_read_only_so_far_and_keeps_its_status() -> None:
    result = served(answer(b"x" * 10_000_000, status="503 Busy"))
    assert response_of(result).status == 503
    assert len(response_of(result).body) == http.MAX_ERROR_BODY
    assert len(result[1].error) == 500


def test_an_error_whose_body_cannot_be_decoded_keeps_its_status() -> None:
    result = served(answer(b"not gzip", "Content-Encoding: gzip", status="401 No"))
    assert response_of(result).status == 401


def test_a_redirect_is_an_answer_and_nobody_goes_there() -> None:
    async def work() -> tuple[Result, list[bytes]]:
        async with raw_server(answer(b"{}")) as other:
            moved = answer(b"", f"Location: {other.url}/y", status="307 Moved")
            async with raw_server(moved) as server:
                headers = {"Authorization": "Bearer pk_demo_not_a_real_key"}
                return await ask(server.url, headers=headers), other.heads

    result, visits = asyncio.run(work())
    assert response_of(result).redirect_target().startswith("http://127.0.0.1:")
    assert visits == []


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/relative", ""),
        ("https://[bad", "an unreadable address"),
        ("https://other.test:port/x", "an unreadable address"),
        ("//other.test/x", "other.test"),
        ("https://user:word@Other.test/path?key=1", "https://other.test"),
        ("http://other.test:8080/path", "http://other.test:8080"),
        ("https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443"),
    ],
)
def test_the_target_of_a_redirect_is_named_without_path_and_query(
    location: str, target: str
) -> None:
    response = response_of(served(answer(b"", f"Location: {location}", status="301 Moved")))
    assert response.redirect_target() == target


def test_a_redirect_to_nonsense_is_still_an_answer() -> None:
    result = served(answer(b"", "Location: http://a:b:c/", status="302 Found"))
    assert response_of(result).status == 302


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert response_of(served(answer(b"{}"))).status == 200


def test_connections_are_kept_and_cookies_are_not() -> None:
    ports: set[int] = set()

    async def polite(head: bytes, writer: asyncio.StreamWriter) -> None:
        ports.add(writer.get_extra_info("peername")[1])
        writer.write(answer(b"{}", "Set-Cookie: session=1"))
        await writer.drain()

    async def work() -> list[bytes]:
        async with raw_server(polite) as server, Transport(server.url, PATIENT) as transport:
            for _ in range(3):
                await transport.request("GET", "/x")
            return server.heads

    heads = asyncio.run(work())
    assert len(heads) == 3
    assert len(ports) == 1
    assert not any(b"cookie" in head.lower() for head in heads)


def test_eight_calls_go_out_at_once_and_the_ninth_waits() -> None:
    open_now = most = 0

    async def slow(head: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0.05)
        open_now -= 1
        writer.write(answer(b"{}"))
        await writer.drain()

    async def work() -> list[Result]:
        async with raw_server(slow) as server, Transport(server.url, PATIENT) as transport:
            return await asyncio.gather(*(transport.request("GET", "/x") for _ in range(12)))

    assert [response_of(result).status for result in asyncio.run(work())] == [200] * 12
    assert most == http.CONNECTIONS == 8


def test_a_connection_that_was_closed_while_idle_is_replaced() -> None:
    async def rude(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"{}"))
        await writer.drain()
        writer.close()

    async def work() -> list[Result]:
        async with raw_server(rude) as server, Transport(server.url, PATIENT) as transport:
            first = await transport.request("GET", "/x")
            await asyncio.sleep(0.05)
            return [first, await transport.request("GET", "/x")]

    assert [response_of(result).status for result in asyncio.run(work())] == [200, 200]


def test_ids_in_paths_and_queries_arrive_as_they_were_escaped() -> None:
    async def work() -> list[bytes]:
        async with raw_server(answer(b"{}")) as server:
            async with Transport(server.url + "/base", PATIENT) as transport:
                params = {"search": "a b/ü%&", "limit": "1"}
                await transport.request("GET", "/p/a%2Fb%20%25%C3%BC", params=params)
            return server.heads

    (head,) = asyncio.run(work())
    assert head.split(b"\r\n")[0] == (
        b"GET /base/p/a%2Fb%20%25%C3%BC?limit=1&search=a%20b%2F%C3%BC%25%26 HTTP/1.1"
    )


def test_an_error_is_quoted_masked_before_it_is_cut() -> None:
    secret = "sk_secret_straddling_the_cut"
    register_secret(secret)
    body = b"x" * 490 + secret.encode() + b" y" * 100
    call = served(answer(body, status="500 Oops"))[1]
    assert call.error == ("x" * 490 + "*** y y y y y y y y")[:500]


def test_a_secret_at_the_end_of_what_is_searched_is_not_quoted_in_part() -> None:
    secret = "sk_secret_" + "s" * 30
    register_secret(secret)
    body = (secret * 1000).encode()
    call = served(answer(body, status="500 Oops"))[1]
    assert set(call.error) <= {"*"}


def test_what_is_private_to_a_request_is_masked_in_its_answer_alone() -> None:
    signature = "0a1b2c3d4e5f+/="
    body = f"got {signature} and 0a1b2c3d4e5f%2B%2F%3D".encode()
    private = served(answer(body, status="500 Oops"), private=(signature,))[1]
    assert private.error == "got *** and ***"
    assert signature in served(answer(body, status="500 Oops"))[1].error


def test_words_hold_nothing_that_a_database_refuses() -> None:
    clean = Cleaner(())
    assert clean("a\0b\r\n\tc\ud800 d  e") == "a b c d e"
    assert clean("x" * 1000) == "x" * 300


def test_base64_of_a_secret_is_masked_as_well() -> None:
    secret = "pasons-not-a-real-key-b64"
    register_secret(secret)
    token = base64.b64encode(f"user:{secret}".encode()).decode()
    assert secret not in base64.b64decode(Cleaner(())(token).replace("*", "") + "==").decode(
        "utf-8", "replace"
    )


def test_the_http_library_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        served(answer(b"{}", "X-Echo: pk_demo_not_a_real_key"))
    assert not [record for record in caplog.records if record.name.startswith("http")]


def test_a_base_url_that_is_none_is_refused_without_a_call() -> None:
    failure = failure_of(asyncio.run(ask("http://[::bad")))
    assert failure.outcome is Outcome.REFUSED
