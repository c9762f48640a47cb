"""Runs a job in this process, on the real Dagster instance, for the command line.

The run shows in the UI's history like any other, with its outlets, events and checks. What came
of each outlet is read from the ledger afterwards.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from marketsync_dagster.config.accounts import QikinkAccount
from marketsync_dagster.values.errors import MarketSyncError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import dagster as dg

    from marketsync_dagster.assets.running import Progress
    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.stages.order_waiting import Waiting
    from marketsync_dagster.stages.project import Project

DONE, FAILED, HELD, BAD = 0, 1, 3, 4
"""Exit codes (DESIGN 9): done, error, something is held, bad outlets or refused rows."""

HELD_STATES = ("held", "held again", "rows held")
OF_ORDERS = ("pull_orders", "fulfil_orders")
ASKED = ("limit", "since", "order_states")
"""Options that runs over orders read; for `fulfil_orders` the first alone."""
WITHOUT_OUTLETS = ("plan", "test_connections", "retention")


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a launched job came to.

    `results` has one entry per stage and outlet that this run worked on, in the order of the
    stages: stage, outlet, ok, state, reason, next_step, numbers. `errors` are what went wrong
    outside of any outlet.
    """

    job: str
    run_ids: list[str]
    success: bool
    results: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    exit_code: int = DONE
    waiting: Waiting | None = None
    """Of a job of orders: what waits for people when it has ended."""

    @property
    def run_id(self) -> str:
        """The first run's id; outlets that are not neighbours make several runs."""
        return self.run_ids[0] if self.run_ids else ""


def launch(
    project: Project,
    job: str,
    outlets: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    platform: str | None = None,
) -> RunReport:
    """Execute `job` for `outlets` (None: all), one run per unbroken stretch of them.

    `options` are fields of `RunOptions` (of `PlanConfig` for the job `plan`, of `OrderOptions` and
    `PullOptions` for those of orders); `progress` is called as the run goes on. `platform`: only
    the assets of the job that are this platform's.
    Raises UsageError for a job or an outlet that does not exist, or a platform that the job has
    nothing of; what goes wrong in a run is in the report, never raised.
    """
    from marketsync_dagster.automation.assembly import build_definitions
    from marketsync_dagster.automation.partitions import contiguous_ranges, range_tags
    from marketsync_dagster.resources.dead_runs import end_dead_runs, process_tags

    every = list(project.settings.outlets)
    definitions = build_definitions(project.settings)
    _check_words(job, outlets, every, definitions)
    chosen = dict(options or {})
    chosen.setdefault("created_by", project.user)
    resolved = definitions.resolve_job_def(job)
    selection = _assets_of(resolved, platform) if platform else None
    config = _run_config(job, chosen, outlets, _options_of(definitions, job))
    tags = {"marketsync/trigger": "command line", "user": project.user, **process_tags()}
    if job in WITHOUT_OUTLETS:
        stretches: list[dict[str, str]] = [{}]
    else:
        stretches = [
            range_tags(first, last) for first, last in contiguous_ranges(outlets or every, every)
        ]
    run_ids: list[str] = []
    errors: list[str] = []
    said: list[str] = []
    success = True
    with opened_instance(project) as instance, _watched(progress):
        end_dead_runs(instance)
        for stretch in stretches:
            run = resolved.execute_in_process(
                asset_selection=selection,
                instance=instance,
                run_config=config,
                tags={**tags, **stretch, ".dagster/repository": "__repository__@marketsync"},
                raise_on_error=False,
                run_id=_run_id(),
            )
            run_ids.append(run.run_id)
            success = success and run.success
            defects, failures = _what_failed(run)
            errors += defects
            said += failures
    results = _results(project, run_ids)
    waiting = None
    if job in OF_ORDERS:
        from marketsync_dagster.stages.order_waiting import waiting_now

        waiting = waiting_now(project, outlets or every)
    if not success and not errors and all(result["ok"] for result in results):
        errors = said  # a step without outlets, such as the test of the connections
    return RunReport(
        job=job,
        run_ids=run_ids,
        success=success,
        results=results,
        errors=errors,
        exit_code=exit_code(success, results, errors, held=bool(waiting and waiting.words)),
        waiting=waiting,
    )


def exit_code(
    success: bool,
    results: Sequence[Mapping[str, Any]],
    errors: Sequence[str],
    *,
    held: bool = False,
) -> int:
    """The one word of a run for a script: errors first, then bad outlets, then what is held.
    `held`: something waits for people, whatever the results say."""
    if errors:
        return FAILED
    waits = [r for r in results if r["state"] in HELD_STATES or _waits_for_people(r)]
    bad = [r for r in results if not r["ok"] and r["state"] not in HELD_STATES]
    if bad or any(_refused(result) for result in results):
        return BAD
    if waits or held:
        return HELD
    return DONE if success else FAILED


def _refused(result: Mapping[str, Any]) -> bool:
    """Whether something of a stage was refused. Orders that we refuse by rule are decided; what
    failed of orders was refused by a destination or a source, or cannot be read."""
    of_orders = result.get("stage", "").startswith("orders_")
    return bool(result["numbers"].get("failed" if of_orders else "refused"))


def _waits_for_people(result: Mapping[str, Any]) -> bool:
    """Whether orders of an outlet are held, or asked about."""
    numbers = result["numbers"]
    return result.get("stage") == "orders_order_book" and any(
        numbers.get(name) for name in ("held", "tasks")
    )


def _check_words(
    job: str, outlets: Sequence[str] | None, every: Sequence[str], definitions: dg.Definitions
) -> None:
    import difflib

    jobs = [known.name for known in definitions.jobs or []]
    for what, word, known in (
        ("job", job, jobs),
        *(("outlet", outlet, every) for outlet in outlets or ()),
    ):
        if word not in known:
            near = difflib.get_close_matches(word, known, n=3) or known
            raise UsageError(f"there is no {what} {word!r}", f"one of: {', '.join(near)}")


def _assets_of(job: dg.JobDefinition, platform: str) -> list[dg.AssetKey]:
    """What of a job is one platform's."""
    keys = sorted(job.asset_layer.executable_asset_keys)
    found = [key for key in keys if key.path[0] == platform]
    if not found:
        others = dict.fromkeys(key.path[0] for key in keys)
        raise UsageError(
            f"{job.name} has nothing of {platform}",
            f"it is about {', '.join(others)}",
        )
    return found


def _options_of(definitions: dg.Definitions, job: str) -> dict[str, Any]:
    """What a job is about, as its launchpad has it: the options that its definition sets."""
    known = next(one for one in definitions.jobs or [] if one.name == job)
    config = getattr(known, "config", None) or {}
    return dict(config.get("resources", {}).get("options", {}).get("config", {}))


def _run_config(
    job: str,
    options: Mapping[str, Any],
    outlets: Sequence[str] | None,
    own: Mapping[str, Any],
) -> dict[str, Any]:
    """The run's configuration: `options`, and what the job sets of its `own` beside them.

    UsageError for fields that a job which is about some of them does not send.
    """
    from marketsync_dagster.resources.options import orders_config, run_config

    # what a person should know is in the report: Dagster's own log would bury it
    config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    if job == "plan":
        said = {name: value for name, value in options.items() if value and name != "created_by"}
        if outlets:
            said["outlets"] = list(outlets)
        return {**config, "ops": {"preview": {"config": said}}}
    if job in ("test_connections", "retention"):
        return config | run_config(created_by=options["created_by"])
    given = _set(options)
    if job in OF_ORDERS:  # who asks is a tag of the run
        return config | orders_config(**{name: given[name] for name in ASKED if name in given})
    about = own.get("fields", [])
    others = [name for name in given.get("fields", ()) if about and name not in about]
    if others:
        raise UsageError(
            f"{job} is about the {' and the '.join(about)} alone, not about the {others[0]}",
            f"marketsync run partial_sync --field {others[0]}",
        )
    return config | run_config(**{"mode": _default_mode(job), **own, **given})


def _set(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value not in (None, "", [], ())}


def _default_mode(job: str) -> str:
    return "full" if job in ("full_sync", "refresh_mappings") else "partial"


def _run_id() -> str:
    """As Dagster makes them, known before the run starts."""
    import uuid

    return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))


@contextmanager
def opened_instance(project: Project) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance that the UI shows, made ready if this is its first use."""
    import dagster as dg

    from marketsync_dagster.automation.dagster_home import prepare_dagster_home

    home = prepare_dagster_home(project.settings)
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")  # also where there is no dagster.yaml
    try:
        instance = dg.DagsterInstance.from_config(str(home))
    except dg.DagsterError as error:
        raise MarketSyncError(
            f"the Dagster instance in {home} cannot be opened: {error}",
            "see dagster.yaml there, or set DAGSTER_HOME to another folder",
        ) from None
    with instance:
        yield instance


@contextmanager
def _watched(listener: Progress | None) -> Iterator[None]:
    from marketsync_dagster.assets.running import progress

    token = progress.set(listener)
    try:
        yield
    finally:
        progress.reset(token)


def _what_failed(run: dg.ExecuteInProcessResult) -> tuple[list[str], list[str]]:
    """Steps that failed by a defect, and steps that said that something failed.

    A step that raised dg.Failure has noted in the ledger what is wrong with which outlet.
    """
    defects: list[str] = []
    failures: list[str] = []
    for event in run.all_events:
        if not event.is_step_failure:
            continue
        data = event.step_failure_data
        if data.user_failure_data is not None:
            failures.append(data.user_failure_data.description or str(event.step_key))
            continue
        cause = data.error.cause if data.error is not None and data.error.cause else data.error
        words = cause.message.strip() if cause is not None else "failed"
        defects.append(f"{event.step_key}: {words}")
    return defects, failures


def _results(project: Project, run_ids: Sequence[str]) -> list[dict[str, Any]]:
    """What the ledger holds of these runs: present states, and failures that have none."""
    from marketsync_dagster.ledger.states import failures_at, states_at

    found: list[dict[str, Any]] = []
    sources = project.settings.order_sources()
    for stage in stages(project):
        states = states_at(project.ledger, stage)
        known = set()
        # a platform's catalog has no outlet, and what is pulled is of a source
        for outlet in dict.fromkeys((*project.settings.outlets, *sources, "")):
            state = states.get(outlet)
            if state is None or state.run_id not in run_ids:
                continue
            known.add(outlet)
            found.append(
                {
                    "stage": stage,
                    "outlet": outlet,
                    "ok": state.ok,
                    "state": state.state,
                    "reason": state.reason,
                    "next_step": state.next_step,
                    "numbers": dict(state.numbers),
                }
            )
        for run_id in run_ids:
            for outlet, (reason, step) in failures_at(project.ledger, run_id, stage).items():
                if outlet not in known:
                    found.append(
                        {
                            "stage": stage,
                            "outlet": outlet,
                            "ok": False,
                            "state": "failed",
                            "reason": reason,
                            "next_step": step,
                            "numbers": {},
                        }
                    )
    return found


def stages(project: Project) -> list[str]:
    """Every stage of the configuration, in the order of the lineage."""
    names = ["pos_extract", "pos_catalog"]
    for platform in project.settings.platforms():
        names += [
            f"{platform}_{part}"
            for part in (
                *("platform_catalog", "products", "sku_mapping", "price_feed", "listings"),
                "reconciliation",
            )
        ]
    if any(isinstance(one, QikinkAccount) for one in project.settings.accounts.values()):
        names.append("qikink_products")
    return [*names, *order_stages(project.settings)]


def order_stages(settings: Settings) -> list[str]:
    """The stages of orders, in the order of the lineage; of those that nothing is at there are no
    states."""
    platforms = settings.order_platforms()
    return [
        *(f"orders_{platform}_orders" for platform in platforms),
        *("orders_order_book", "orders_qikink_fulfilments", "orders_pos_drops"),
        *(f"orders_{platform}_updates" for platform in platforms),
    ]
