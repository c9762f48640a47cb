"""A real Dagster webserver over the runs of a project, and everything that it tells of them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

START_S = 60.0
ERROR = "message className stack cause { message stack }"
ENTRIES = """metadataEntries { __typename label description
  ... on TextMetadataEntry { text } ... on MarkdownMetadataEntry { mdStr }
  ... on JsonMetadataEntry { jsonString } ... on PathMetadataEntry { path }
  ... on UrlMetadataEntry { url } ... on TableMetadataEntry { table { records } } }"""
RUNS = """{ runsOrError { ... on Runs { results { runId jobName status runConfigYaml
  tags { key value } stats { __typename ... on PythonError { message stack } }
  stepStats { stepKey status } } } } }"""
LOGS = f"""query($run: ID!, $after: String) {{
  logsForRun(runId: $run, afterCursor: $after, limit: 1000) {{
  ... on EventConnection {{ cursor hasMore events {{ __typename
    ... on MessageEvent {{ message level stepKey eventType }}
    ... on DisplayableEvent {{ label description {ENTRIES} }}
    ... on ErrorEvent {{ error {{ {ERROR} causes {{ message stack }}
      errorChain {{ isExplicitLink error {{ {ERROR} }} }} }} }}
    ... on ExecutionStepFailureEvent {{ failureMetadata {{ label description {ENTRIES} }} }}
    ... on LogsCapturedEvent {{ fileKey stepKeys }} }} }} }} }}"""
CAPTURED = "query($key: [String!]!) { capturedLogs(logKey: $key) { stdout stderr } }"
ASSETS = f"""{{ assetNodes {{ assetKey {{ path }} description {ENTRIES}
  assetMaterializations(limit: 50) {{ partition message description {ENTRIES} }}
  assetChecksOrError {{ ... on AssetChecks {{ checks {{ name description
    executionForLatestMaterialization {{ evaluation {{ description {ENTRIES} }} }} }} }} }} }} }}"""
WORKSPACE = f"""{{ workspaceOrError {{ ... on Workspace {{ locationEntries {{ name
  displayMetadata {{ key value }}
  locationOrLoadError {{ __typename ... on PythonError {{ {ERROR} }}
    ... on RepositoryLocation {{ repositories {{ name jobs {{ name description
      tags {{ key value }} }} }} }} }} }} }} }} instance {{ info }} }}"""
SELECTOR = {"repositoryLocationName": "marketsync", "repositoryName": "__repository__"}
RESOURCES = """query($selector: RepositorySelector!) {
  allTopLevelResourceDetailsOrError(repositorySelector: $selector) { ... on ResourceDetailsList {
    results { name description configuredValues { key value } } } }
  utilizedEnvVarsOrError(repositorySelector: $selector) { ... on EnvVarWithConsumersList {
    results { envVarName } } } }"""
LAUNCH = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
STATUS = "query($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"
ENDED = ("SUCCESS", "FAILURE", "CANCELED")


class Webserver:
    """`with Webserver(environment, workspace, folder) as ui`: its own output goes into `folder`."""

    def __init__(self, environment: dict[str, str], workspace: Path, folder: Path) -> None:
        folder.mkdir()
        with closing(socket.create_server(("127.0.0.1", 0))) as probe:
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._command = [
            *(sys.executable, "-m", "dagster_webserver", "-w", str(workspace)),
            *("-h", "127.0.0.1", "-p", str(port)),
        ]
        self._environment = {**os.environ, **environment}
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def __enter__(self) -> Self:
        with (self._folder / "output.txt").open("wb") as output:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=self._folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, patience in ((signal.SIGINT, 10.0), (signal.SIGKILL, 10.0)):
            try:
                os.killpg(self._process.pid, number)
                self._process.wait(patience)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue

    def wait(self) -> None:
        """Until it answers."""
        deadline = time.monotonic() + START_S
        while True:
            try:
                self.get("/server_info")
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def get(self, path: str) -> bytes:
        """One page."""
        with self._opener.open(self.url + path, timeout=60) as response:
            return response.read()

    def ask(self, query: str, **variables: Any) -> tuple[dict[str, Any], bytes]:
        """One GraphQL answer: its data, and its raw bytes. AssertionError for a bad query."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"{self.url}/graphql", body, {"Content-Type": "application/json"}
        )
        try:
            with self._opener.open(request, timeout=60) as response:
                raw = response.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None
        answer = json.loads(raw)
        assert "errors" not in answer, answer["errors"]
        return answer["data"], raw

    def launch(self, job: str, config: dict[str, Any], tags: dict[str, str]) -> str:
        """Start a run in a process of its own; returns its id."""
        said = [{"key": key, "value": value} for key, value in tags.items()]
        params = {
            "selector": {**SELECTOR, "jobName": job},
            "runConfigData": json.dumps(config),
            "executionMetadata": {"tags": said},
        }
        data, _ = self.ask(LAUNCH, params=params)
        assert data["launchRun"]["__typename"] == "LaunchRunSuccess", data
        return data["launchRun"]["run"]["runId"]

    def wait_for(self, run: str) -> str:
        """The status in which a run ends."""
        deadline = time.monotonic() + START_S
        while True:
            status = self.ask(STATUS, run=run)[0]["runOrError"]["status"]
            if status in ENDED or time.monotonic() > deadline:
                return status
            time.sleep(0.1)

    def everything(self) -> Iterator[tuple[str, bytes]]:
        """All that it tells: runs, configurations, events, captured output, assets, dumps."""
        for page in ("/", "/runs", "/assets", "/locations"):
            yield f"the page {page}", self.get(page)
        yield "workspace", self.ask(WORKSPACE)[1]
        yield "resources", self.ask(RESOURCES, selector=SELECTOR)[1]
        yield "assets", self.ask(ASSETS)[1]
        data, raw = self.ask(RUNS)
        yield "runs", raw
        for run in data["runsOrError"]["results"]:
            yield from self._run(run["runId"])

    def _run(self, run: str) -> Iterator[tuple[str, bytes]]:
        yield f"the debug file of {run}", self.get(f"/download_debug/{run}")
        after, more = None, True
        while more:
            data, raw = self.ask(LOGS, run=run, after=after)
            yield f"events of {run}", raw
            events = data["logsForRun"]
            after, more = events["cursor"], events["hasMore"]
            for event in events["events"]:
                if event.get("fileKey"):
                    key = [run, "compute_logs", event["fileKey"]]
                    yield f"output of {run}", self.ask(CAPTURED, key=key)[1]
