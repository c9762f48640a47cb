"""A small valid marketsync.yaml for tests, and the way to read a text as one."""

from __future__ import annotations

from pathlib import Path

from marketsync_dagster.config.load import load_settings
from marketsync_dagster.config.problems import ConfigMistakes
from marketsync_dagster.config.settings import Settings

VALID = """\
version: 1
outlets:
  a: {name: A, extract: {path: extracts/a}}
  b: {name: B, extract: {path: extracts/b}}
accounts:
  track_a:
    platform: tracker_ke
    base_url: https://api.example/v1
    api_key: {env: TRACK_A_KEY}
  track_b:
    platform: tracker_ke
    base_url: https://api.example/v1
    api_key: {env: TRACK_B_KEY}
  pas_a:
    platform: pasons
    base_url: https://pasons.example/017
    auth: {key: {env: PAS_A_KEY}}
channels:
  - {outlet: a, account: track_a}
  - {outlet: b, account: track_b}
  - {outlet: a, account: pas_a}
"""


def load(folder: Path, text: str | bytes) -> Settings:
    """Write the text as marketsync.yaml and load it."""
    file = folder / "marketsync.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_settings(file)


def mistakes(folder: Path, text: str | bytes) -> list[str]:
    """What is wrong with the text: `line: path: message` each."""
    try:
        load(folder, text)
    except ConfigMistakes as error:
        return [f"{m.line}: {m.path}: {m.message}" for m in error.mistakes]
    return []
