"""What the Dagster UI says over GraphQL, as far as the tests say it too."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

REPOSITORY = {"repositoryLocationName": "marketsync", "repositoryName": "__repository__"}
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
PATIENCE_S = 120.0

_ERROR = "... on Error { message }"
_LAUNCH = (
    "mutation($p: ExecutionParams!) { answer: launchRun(executionParams: $p) { __typename "
    "... on LaunchRunSuccess { run { runId } } "
    "... on RunConfigValidationInvalid { errors { message } } "
    f"{_ERROR} }} }}"
)
_BACKFILL = (
    "mutation($p: LaunchBackfillParams!) { answer: launchPartitionBackfill(backfillParams: $p) "
    f"{{ __typename ... on LaunchBackfillSuccess {{ backfillId }} {_ERROR} }} }}"
)
_BACKFILL_STATUS = (
    "query($id: String!) { answer: partitionBackfillOrError(backfillId: $id) { __typename "
    "... on PartitionBackfill { status runs { runId } error { message } } "
    f"{_ERROR} }} }}"
)
_TERMINATE = (
    "mutation($id: String!) { answer: terminateRun(runId: $id) { __typename "
    "... on TerminateRunFailure { message } "
    f"{_ERROR} }} }}"
)
_RUN = (
    "query($id: ID!) { answer: runOrError(runId: $id) { __typename ... on Run "
    "{ runId jobName status startTime tags { key value } } "
    f"{_ERROR} }} }}"
)
_RUNS = (
    "query($f: RunsFilter!) { answer: runsOrError(filter: $f) { __typename ... on Runs "
    "{ results { runId jobName status creationTime tags { key value } } } "
    f"{_ERROR} }} }}"
)
_EVENTS = (
    "query($id: ID!, $after: String) { answer: logsForRun(runId: $id, afterCursor: $after, "
    "limit: 1000) { __typename ... on EventConnection { cursor hasMore events { __typename "
    "... on MessageEvent { message stepKey } "
    "... on ExecutionStepFailureEvent { error { message cause { message "
    "cause { message } } } } "
    "... on MaterializationEvent { partition assetKey { path } metadataEntries { label "
    "... on IntMetadataEntry { intValue } ... on TextMetadataEntry { text } } } "
    "... on ExecutionStepOutputEvent { outputName metadataEntries { label "
    "... on IntMetadataEntry { intValue } "
    "... on TableMetadataEntry { table { records } } } } } } "
    f"{_ERROR} }} }}"
)
_ASSET = (
    "query($k: AssetKeyInput!) { answer: assetNodeOrError(assetKey: $k) { __typename "
    "... on AssetNode { partitionStats { numPartitions numMaterialized numFailed } "
    "assetPartitionStatuses { ... on DefaultPartitionStatuses { materializedPartitions "
    "failedPartitions unmaterializedPartitions } } "
    "assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization "
    "{ status runId evaluation { success description } } } } } } "
    "... on AssetNotFoundError { message } } }"
)
_TOGETHER = (
    "query($k: [AssetKeyInput!]!) { answer: assetNodeAdditionalRequiredKeys(assetKeys: $k) "
    "{ __typename path } }"
)
_START_SCHEDULE = (
    "mutation($s: ScheduleSelector!) { answer: startSchedule(scheduleSelector: $s) { __typename "
    f"... on ScheduleStateResult {{ scheduleState {{ id status }} }} {_ERROR} }} }}"
)
_STOP_SCHEDULE = (
    "mutation($id: String!) { answer: stopRunningSchedule(id: $id) { __typename "
    f"... on ScheduleStateResult {{ scheduleState {{ id status }} }} {_ERROR} }} }}"
)
_DRY_RUN = (
    "mutation($s: ScheduleSelector!, $t: Float) { answer: scheduleDryRun(selectorData: $s, "
    "timestamp: $t) { __typename ... on DryRunInstigationTick { evaluationResult { skipReason "
    f"runRequests {{ runKey }} error {{ message }} }} }} {_ERROR} }} }}"
)
_START_SENSOR = (
    "mutation($s: SensorSelector!) { answer: startSensor(sensorSelector: $s) { __typename "
    f"... on Sensor {{ sensorState {{ id status }} }} {_ERROR} }} }}"
)
_STOP_SENSOR = (
    "mutation($id: String!) { answer: stopSensor(id: $id) { __typename "
    f"... on StopSensorMutationResult {{ instigationState {{ status }} }} {_ERROR} }} }}"
)
_TICKS = (
    "query($s: InstigationSelector!) { answer: instigationStateOrError(instigationSelector: $s) "
    "{ __typename ... on InstigationState { status ticks(limit: 50) { status skipReason "
    f"error {{ message }} }} }} {_ERROR} }} }}"
)
_LOCATIONS = (
    "{ answer: workspaceOrError { __typename ... on Workspace { locationEntries { loadStatus "
    f"locationOrLoadError {{ __typename ... on PythonError {{ message }} }} }} }} {_ERROR} }} }}"
)


class GraphQLError(AssertionError):
    """The webserver refused a query, or answered with an error."""


def wait_for(what: str, look: Callable[[], T | None], patience_s: float = PATIENCE_S) -> T:
    """What `look` finds, as soon as it is anything but None or False."""
    deadline = time.monotonic() + patience_s
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"in vain, for {patience_s:.0f} s: {what}")
        time.sleep(0.2)


class Dagster:
    """A running Dagster webserver."""

    def __init__(self, url: str) -> None:
        self.url = url
        # no proxy of the environment: it is this machine
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, query: str, **variables: Any) -> Any:
        """The `answer` of a query; GraphQLError with its words if it is an error."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"{self.url}/graphql", body, {"Content-Type": "application/json"}
        )
        try:
            with self._opener.open(request, timeout=60) as response:
                answer = json.loads(response.read())
        except urllib.error.HTTPError as error:
            raise GraphQLError(error.read().decode("utf-8", "replace")) from None
        if answer.get("errors"):
            raise GraphQLError(str(answer["errors"]))
        found = answer["data"]["answer"]
        if isinstance(found, list):
            return found
        kind = found["__typename"]
        if kind.endswith(("Error", "Invalid", "Failure", "Conflict", "NotFound")):
            raise GraphQLError(f"{kind}: {found.get('message') or found}")
        return found

    def is_loaded(self) -> bool:
        """Whether the webserver answers and has the definitions; raises if they do not load."""
        try:
            entries = self.ask(_LOCATIONS)["locationEntries"]
        except OSError:
            return False
        for entry in entries:
            found = entry["locationOrLoadError"] or {}
            if found.get("__typename") == "PythonError":
                raise GraphQLError(found["message"])
        return bool(entries) and all(entry["loadStatus"] == "LOADED" for entry in entries)

    # --- runs

    def launch(
        self, job: str, config: Mapping[str, Any], tags: Mapping[str, str] | None = None
    ) -> str:
        """The id of a run launched as the launchpad does."""
        params = {
            "selector": {**REPOSITORY, "jobName": job},
            "runConfigData": config,
            "executionMetadata": {
                "tags": [{"key": key, "value": value} for key, value in (tags or {}).items()]
            },
        }
        return self.ask(_LAUNCH, p=params)["run"]["runId"]

    def backfill(self, assets: Sequence[str], partitions: Sequence[str]) -> str:
        """The id of a backfill launched as the lineage page does; assets as `pos/extract`."""
        params = {
            "assetSelection": [{"path": asset.split("/")} for asset in assets],
            "partitionNames": list(partitions),
        }
        return self.ask(_BACKFILL, p=params)["backfillId"]

    def backfill_status(self, backfill: str) -> dict[str, Any]:
        return self.ask(_BACKFILL_STATUS, id=backfill)

    def terminate(self, run: str) -> None:
        self.ask(_TERMINATE, id=run)

    def run(self, run: str) -> dict[str, Any]:
        """A run, its tags as a dictionary."""
        return _tagged(self.ask(_RUN, id=run))

    def runs(self, **tags: str) -> list[dict[str, Any]]:
        """The runs that have these tags (`__` for `/`), newest first."""
        wanted = [{"key": k.replace("__", "/"), "value": v} for k, v in tags.items()]
        return [_tagged(run) for run in self.ask(_RUNS, f={"tags": wanted})["results"]]

    def end_of(self, run: str, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """The run, once it has ended."""

        def ended() -> dict[str, Any] | None:
            found = self.run(run)
            return found if found["status"] in ENDED else None

        return wait_for(f"the end of run {run[:8]}", ended, patience_s)

    def succeeded(self, run: str) -> dict[str, Any]:
        """The run, once it has ended; what went wrong as an AssertionError."""
        found = self.end_of(run)
        assert found["status"] == "SUCCESS", (found, self.failures(run))
        return found

    def events(self, run: str) -> list[dict[str, Any]]:
        """All events of a run, in order."""
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = self.ask(_EVENTS, id=run, after=cursor)
            found += page["events"]
            cursor = page["cursor"]
            if not page["hasMore"]:
                return found

    def failures(self, run: str) -> str:
        """What the failed steps of a run say, each with its causes."""
        lines: list[str] = []
        for event in self.events(run):
            error = event.get("error")
            while error:
                lines.append(f"{event['stepKey']}: {error['message'].strip()}")
                error = error.get("cause")
        return "\n".join(lines)

    def materialized(self, run: str) -> dict[str, list[str]]:
        """Asset -> outlets that the run materialized, in order of their names."""
        found: dict[str, list[str]] = {}
        for event in self.events(run):
            if event["__typename"] == "MaterializationEvent":
                key = "/".join(event["assetKey"]["path"])
                found.setdefault(key, []).append(event["partition"])
        return {key: sorted(outlets) for key, outlets in found.items()}

    # --- assets

    def asset(self, name: str) -> dict[str, Any]:
        """What the asset's node shows: counts, partitions by status, checks by name."""
        found = self.ask(_ASSET, k={"path": name.split("/")})
        checks = found["assetChecksOrError"]["checks"]
        found["checks"] = {c["name"]: c["executionForLatestMaterialization"] for c in checks}
        return found

    def together_with(self, assets: Sequence[str]) -> list[str]:
        """The assets that the UI adds to a selection, because one step makes them."""
        found = self.ask(_TOGETHER, k=[{"path": asset.split("/")} for asset in assets])
        return ["/".join(key["path"]) for key in found]

    # --- schedules and sensors

    def start_schedule(self, name: str) -> str:
        """Switch a schedule on; returns what `stop_schedule` wants."""
        answer = self.ask(_START_SCHEDULE, s={**REPOSITORY, "scheduleName": name})
        assert answer["scheduleState"]["status"] == "RUNNING"
        return answer["scheduleState"]["id"]

    def stop_schedule(self, name: str, state: str) -> None:
        """Switch a schedule off, for good.

        When a tick ends, the daemon writes back the state that it began with: what was said in
        between is lost. So no tick may be open, and it is said until it holds.
        """

        def stopped() -> bool:
            if any(tick["status"] == "STARTED" for tick in self.ticks(name)):
                return False
            self.ask(_STOP_SCHEDULE, id=state)
            time.sleep(1.0)
            return self.ask(_TICKS, s={**REPOSITORY, "name": name})["status"] == "STOPPED"

        wait_for(f"the end of {name}", stopped)

    def tick_now(self, schedule: str) -> dict[str, Any]:
        """What a tick of the schedule would do now: `skipReason`, `runRequests`, `error`."""
        selector = {**REPOSITORY, "scheduleName": schedule}
        return self.ask(_DRY_RUN, s=selector, t=time.time())["evaluationResult"]

    def start_sensor(self, name: str) -> str:
        """Switch a sensor on; returns what `stop_sensor` wants."""
        answer = self.ask(_START_SENSOR, s={**REPOSITORY, "sensorName": name})
        assert answer["sensorState"]["status"] == "RUNNING"
        return answer["sensorState"]["id"]

    def stop_sensor(self, state: str) -> None:
        self.ask(_STOP_SENSOR, id=state)

    def ticks(self, name: str) -> list[dict[str, Any]]:
        """The last ticks of a schedule or sensor, newest first."""
        return self.ask(_TICKS, s={**REPOSITORY, "name": name})["ticks"]


def _tagged(run: dict[str, Any]) -> dict[str, Any]:
    return run | {"tags": {tag["key"]: tag["value"] for tag in run["tags"]}}
