"""Finds and reads marketsync.yaml, and says where the project keeps its things.

The shape of the file is `config.settings`; here are its place, its folders and its errors.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from marketsync_dagster.config.problems import ConfigMistakes, Mistake, path_text
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.config.yaml_file import MAX_BYTES, YamlMistakes, read_yaml
from marketsync_dagster.values.errors import ConfigError

FILE_NAME = "marketsync.yaml"
_CHECKOUT = Path(__file__).resolve().parents[2]


def find_config() -> Path:
    """The file that MARKETSYNC_CONFIG names, else ./marketsync.yaml, else, in a checkout of
    MarketSync, its example (`is_example` tells).

    ConfigError where none of them exists.
    """
    named = os.environ.get("MARKETSYNC_CONFIG")
    if named:
        path = Path(named).expanduser()
        return (path / FILE_NAME if path.is_dir() else path).absolute()
    here = Path.cwd() / FILE_NAME
    if here.exists():
        return here
    # nowhere else: a command in another folder must not work on the example by mistake
    if is_example(example := _CHECKOUT / "examples" / FILE_NAME) and example.exists():
        return example
    raise ConfigError(
        f"there is no {FILE_NAME} in {Path.cwd()}",
        "name it with --config FILE or MARKETSYNC_CONFIG, or begin a project: marketsync init",
    )


def is_example(file: Path) -> bool:
    """Whether `file` is the example of the checkout that the working directory is in."""
    inside = Path.cwd().resolve().is_relative_to(_CHECKOUT)
    return inside and file.absolute() == _CHECKOUT / "examples" / FILE_NAME


def load_settings(path: Path | None = None) -> Settings:
    """Read and check `path` (default: `find_config()`).

    ConfigMistakes (a ConfigError) names every mistake, one line each:
    `marketsync.yaml:14: channels[1].guard.max_changed_share: expected ..., got ...`.
    """
    file = (path or find_config()).absolute()
    return read_settings(_bytes_of(file, display(file)), file)


def read_settings(raw: bytes, file: Path) -> Settings:
    """Check `raw` as if it stood in `file`, which need not be so; raises as `load_settings`."""
    shown_as = display(file)
    try:
        document = read_yaml(raw)
    except YamlMistakes as error:
        raise _mistakes(
            [Mistake(shown_as, line, path_text(at), text) for line, at, text in error.mistakes]
        ) from None
    if not isinstance(document.value, dict):
        what = "nothing" if document.value is None else "something else"
        message = f"expected sections such as `version: 1` and `outlets:`, got {what}"
        raise _mistakes([Mistake(shown_as, 1, "", message)])
    try:
        settings = Settings.model_validate(document.value)
    except ValidationError as error:
        from marketsync_dagster.config.explain_errors import problems_of

        found = [
            Mistake(shown_as, document.line_of(at, key=key), path_text(at), message)
            for at, message, key in problems_of(error, document.value)
        ]
        # pydantic's error holds the values, secrets among them: it must not become a context
        failure = _mistakes(sorted(found, key=lambda mistake: mistake.line))
    else:
        settings._file = file  # the loader is where these come from
        settings._home = home_of(file)
        return settings
    raise failure


def _bytes_of(file: Path, shown_as: str) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        reason = "there is no such file"
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
    raise ConfigError(
        f"{shown_as}: {reason}", "marketsync init, or set MARKETSYNC_CONFIG to the file"
    )


def _mistakes(found: list[Mistake]) -> ConfigMistakes:
    return ConfigMistakes(found, "mend the file, then: marketsync config check")


def display(path: Path) -> str:
    """`path` as messages show it: relative to the working directory if it lies below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def project_of(file: Path) -> Path:
    """The nearest folder at or above the configuration with a dagster.yaml, else its own."""
    for folder in file.absolute().parents:
        if (folder / "dagster.yaml").exists():
            return folder
    return file.absolute().parent


def home_of(file: Path) -> Path:
    """Where MarketSync writes: MARKETSYNC_HOME, else `.marketsync` in the project."""
    named = os.environ.get("MARKETSYNC_HOME")
    return Path(named).expanduser().absolute() if named else project_of(file) / ".marketsync"


def dagster_home_of(settings: Settings) -> Path:
    """Where Dagster writes: DAGSTER_HOME, else `.dagster` in the project; absolute."""
    named = os.environ.get("DAGSTER_HOME")
    return Path(named).expanduser().absolute() if named else project_of(settings.file) / ".dagster"
