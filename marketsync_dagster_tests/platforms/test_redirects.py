"""Credentials go to the configured server and to no other, whatever that one says."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from marketsync_dagster.config.secrets import Secrets
from marketsync_dagster.platforms import http
from marketsync_dagster.platforms.base import Adapter, Answer, ConnectionResult, PlatformError
from marketsync_dagster.platforms.registry import open_adapter
from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.platforms.raw_server import RawServer, answer, raw_server
from marketsync_dagster_tests.platforms.support import (
    PASONS_KEY,
    TRACKER_KEY,
    TRACKER_SECRET,
    outcomes,
    pasons_account,
    price,
    product,
    settings_of,
    tracker_account,
)

TOLD = "steal?key=not-for-messages"
PAIR = {"api_secret": {"env": "TEST_TRACKER_SECRET"}, "send_secret": True}
ACCOUNTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "tracker_ke": lambda url: tracker_account(url, **PAIR),
    "pasons": lambda url: pasons_account(url, request={"store": {"in": "none"}}),
}


async def write(adapter: Adapter) -> tuple[Outcome | str | None, str]:
    said: Answer = await adapter.send([price("p1")])
    return outcomes(said, 1)[0], said.message


async def offer(adapter: Adapter) -> tuple[Outcome | str | None, str]:
    said: Answer = await adapter.send_products([product("1", "4006381333931")])
    return outcomes(said, 1)[0], said.message


async def prove(adapter: Adapter) -> tuple[Outcome | str | None, str]:
    said: ConnectionResult = await adapter.test_connection()
    return Outcome.APPLIED if said.ok else Outcome.REFUSED, said.message


async def read(adapter: Adapter) -> tuple[Outcome | str | None, str]:
    try:
        return Outcome.APPLIED, str([page async for page in adapter.read_catalog()])
    except PlatformError as error:
        return error.outcome, error.message


Work = Callable[[Adapter], Awaitable[tuple[Outcome | str | None, str]]]
CALLS: list[tuple[str, Work]] = [
    ("tracker_ke", write),
    ("tracker_ke", offer),
    ("tracker_ke", read),
    ("tracker_ke", prove),
    ("pasons", write),
    ("pasons", prove),
]


def moved(status: int, location: str) -> bytes:
    return answer(b"", f"Location: {location}", status=f"{status} Moved")


async def called(server: RawServer, platform: str, work: Work) -> tuple[Any, str]:
    settings = settings_of({"x": ACCOUNTS[platform](server.url + "/api")})
    async with open_adapter(settings, "x", channel=None, secrets=Secrets()) as adapter:
        return await work(adapter)


def is_refused(said: tuple[Any, str], target: str) -> None:
    assert said[0] is Outcome.REFUSED
    assert f"redirected to {target}; not followed, check base_url" in said[1]
    for secret in (TRACKER_KEY, TRACKER_SECRET, PASONS_KEY, "not-for-messages"):
        assert secret not in said[1]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(("platform", "work"), CALLS)
def test_no_call_follows_a_redirect_to_another_host_or_port(
    status: int, platform: str, work: Work
) -> None:
    async def check() -> None:
        async with raw_server(answer(b"{}")) as other:
            port = urlsplit(other.url).port
            for target in (other.url, f"http://localhost:{port}"):
                async with raw_server(moved(status, f"{target}/{TOLD}")) as server:
                    is_refused(await called(server, platform, work), target)
                    assert len(server.heads) == 1
                    key = TRACKER_KEY if platform == "tracker_ke" else PASONS_KEY
                    assert key.encode() in server.heads[0]
            assert other.heads == []

    asyncio.run(check())


@pytest.mark.parametrize(("platform", "work"), CALLS)
def test_no_call_goes_elsewhere_on_the_same_server(platform: str, work: Work) -> None:
    async def check() -> None:
        async with raw_server(moved(307, f"/{TOLD}")) as server:
            is_refused(await called(server, platform, work), "another path of 127.0.0.1")
            assert len(server.heads) == 1

    asyncio.run(check())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of this machine and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test on this machine")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.mark.parametrize(("platform", "work"), CALLS)
def test_no_call_follows_a_redirect_from_https_to_http(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, platform: str, work: Work
) -> None:
    """The same host: what was said in secret would be repeated in clear."""
    trust = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(http, "_trust", lambda: trust)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)

    async def check() -> None:
        async with raw_server(answer(b"{}")) as plain:
            async with raw_server(moved(308, f"{plain.url}/{TOLD}"), tls) as server:
                is_refused(await called(server, platform, work), plain.url)
                assert len(server.heads) == 1
            assert plain.heads == []

    asyncio.run(check())
