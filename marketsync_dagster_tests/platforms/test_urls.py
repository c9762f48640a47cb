"""Ids of every kind become paths and queries; base URLs have one name each."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote

import pytest

from marketsync_dagster.platforms.urls import (
    base_path,
    encode_query,
    origin_of,
    place_of,
    segment,
)


@pytest.mark.parametrize(
    "text", ["017", "a/b", "a b", "50%", "%2F", "Käse/Ünïcode", "..", ".", "a?b#c", "a+b&c=d"]
)
def test_an_id_stays_one_segment_of_a_path(text: str) -> None:
    escaped = segment(text)
    assert unquote(escaped) == text
    assert not set(escaped) & set("/?# ")
    assert escaped not in (".", "..")


def test_a_query_is_sorted_and_escaped_as_it_is_signed() -> None:
    assert encode_query(None) == ""
    assert encode_query({}) == ""
    query = encode_query({"search": "a b/ü&%+", "limit": "100"})
    assert query == "limit=100&search=a%20b%2F%C3%BC%26%25%2B"
    assert parse_qs(query)["search"] == ["a b/ü&%+"]


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://127.0.0.1:8701/tracker_ke/api/v1", "127.0.0.1/tracker_ke/api/v1"),
        ("http://127.0.0.1:9999/tracker_ke/api/v1/", "127.0.0.1/tracker_ke/api/v1"),
        ("http://localhost:1/x", "localhost/x"),
        ("http://[::1]:1/x", "::1/x"),
        ("https://API.Pasons.ae:443/v1", "api.pasons.ae/v1"),
        ("https://api.pasons.ae/v1", "api.pasons.ae/v1"),
        ("https://api.pasons.ae:8443/v1", "api.pasons.ae:8443/v1"),
        ("https://api.pasons.ae", "api.pasons.ae"),
    ],
)
def test_a_place_has_one_name_however_its_url_is_written(url: str, place: str) -> None:
    assert place_of(url) == place


def test_paths_and_origins_are_taken_from_a_base_url() -> None:
    assert base_path("https://h/api/v1/") == "/api/v1"
    assert base_path("https://h") == ""
    assert origin_of("http://127.0.0.1:8701/x") == "http://127.0.0.1:8701"
    assert origin_of("https://user:secret@h/x") == "https://h"
