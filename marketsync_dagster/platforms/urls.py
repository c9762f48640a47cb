"""Addresses: how a path and its parameters are written, and what a base URL is called elsewhere.

Pure text work. The one module that opens connections is `platforms.http`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

_UNRESERVED = "-_.~"
_DEFAULT_PORTS = {"http": 80, "https": 443}


def segment(text: str) -> str:
    """`text` as one segment of a path: slashes, spaces, % and Unicode are escaped."""
    escaped = quote(text, safe=_UNRESERVED)
    # a segment of dots alone would be read as "here" or "one up"
    return escaped.replace(".", "%2E") if escaped in (".", "..") else escaped


def encode_query(params: Mapping[str, str] | tuple[tuple[str, str], ...] | None) -> str:
    """Parameters sorted by name and percent-encoded: as sent and, byte for byte, as signed. As
    pairs, a name may come several times."""
    if not params:
        return ""
    given = params.items() if isinstance(params, Mapping) else params
    pairs = sorted(
        (quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED)) for name, value in given
    )
    return "&".join(f"{name}={value}" for name, value in pairs)


def base_path(base_url: str) -> str:
    """The path of a base URL without a slash at its end, `/api/v1`; empty at the root."""
    return urlsplit(base_url).path.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host means this machine: `localhost` or a loopback address, no other name."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def place_of(base_url: str) -> str:
    """`host/path`, the same however the URL is spelled: lower-case host, no default port.

    Loopback hosts come without their port: the sandbox takes whichever is free, and stays the
    same place.
    """
    parts = urlsplit(base_url)
    host = (parts.hostname or "").lower()
    port = parts.port
    if port is None or port == _DEFAULT_PORTS.get(parts.scheme) or is_loopback(host):
        return f"{host}{base_path(base_url)}"
    return f"{host}:{port}{base_path(base_url)}"


def origin_of(base_url: str) -> str:
    """`scheme://host:port` as written, for messages."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
