"""The conversation with a running Dagster: submit partitions, follow their runs, read the verdicts back.

Here lives GraphQL over HTTP alone; what is submitted is decided in `cli`. Verdicts come from the events of the runs, so
the command may run on another machine than Dagster. It may import httpx and the pure parts of this package.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import httpx

from matrix_defs.cases import CASES_BY_ID, Case
from matrix_defs.errors import UsageError
from matrix_defs.jobs import CASE_RESULT
from matrix_defs.result import CaseResult, Check, Verdict
from matrix_defs.run_modes import RunMode

POLL_SECONDS = 1.0
_ENDED = ("SUCCESS", "FAILURE", "CANCELED")

_LAUNCH = """
mutation Launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
    ... on UnauthorizedError { message }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on PartitionKeysNotFoundError { message }
  }
}"""

_BACKFILL = """
query Backfill($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    __typename
    ... on PartitionBackfill { status error { message } }
    ... on PythonError { message }
  }
}"""

_RUNS = """
query Runs($id: String!) {
  runsOrError(filter: {tags: [{key: "dagster/backfill", value: $id}]}) {
    __typename
    ... on Runs { results { runId status } }
    ... on PythonError { message }
  }
}"""

_DAEMON = """
query Daemon {
  instance { __typename daemonHealth { daemonStatus(daemonType: "BACKFILL") { healthy } } }
}"""

_EVENTS = """
query Events($run: ID!, $after: String) {
  logsForRun(runId: $run, afterCursor: $after) {
    __typename
    ... on EventConnection {
      cursor hasMore
      events {
        __typename
        ... on MaterializationEvent { partition metadataEntries { ...Entry } }
        ... on ObservationEvent { partition metadataEntries { ...Entry } }
      }
    }
    ... on PythonError { message }
  }
}
fragment Entry on MetadataEntry {
  label
  ... on TextMetadataEntry { text }
  ... on IntMetadataEntry { intValue }
  ... on FloatMetadataEntry { floatValue }
  ... on JsonMetadataEntry { jsonString }
}"""


class Dagster:
    """A running Dagster webserver."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._backfills = f"{self.url}/overview/backfills"
        self._client = httpx.Client(base_url=self.url, timeout=60)

    def check(self) -> None:
        """Return if it answers. Raises UsageError."""
        self._ask("query { version }")

    def certify(
        self,
        cases: Sequence[Case],
        run_mode: RunMode,
        config: Mapping[str, Any],
        on_result: Callable[[CaseResult], None],
        on_wait: Callable[[str], None],
    ) -> dict[Case, CaseResult]:
        """Submit the cases as one backfill, wait for the end of its runs and return a result of every case.

        `on_wait` is told what is waited for, once for as long as that is the same. Raises KeyboardInterrupt with what
        an interrupt does not end: the backfill is Dagster's.
        """
        if not cases:
            return {}
        backfill = self._launch(cases, run_mode, config)
        on_wait(f"backfill {backfill} of {len(cases)} case(s) was submitted, see {self._backfills}")
        try:
            return self._follow(backfill, cases, run_mode, on_result, on_wait)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"backfill {backfill} goes on, see {self._backfills}") from None

    def _follow(
        self,
        backfill: str,
        cases: Sequence[Case],
        run_mode: RunMode,
        on_result: Callable[[CaseResult], None],
        on_wait: Callable[[str], None],
    ) -> dict[Case, CaseResult]:
        """Wait for the end of the backfill's runs and return a result of every case."""
        results: dict[Case, CaseResult] = {}
        cursors: dict[str, str | None] = {}
        waits = ""
        while True:
            ended = self._ended(backfill)
            runs = self._ask(_RUNS, id=backfill)["results"]
            for run in runs:
                for result in self._verdicts(run["runId"], cursors, run_mode):
                    results[result.case] = result
                    on_result(result)
            told = ended is not None or len(results) == len(cases)  # the backfill itself may take 30 s more to end
            if told and all(run["status"] in _ENDED for run in runs):
                break
            before, waits = waits, self._waits_for(runs)
            if waits and waits != before:
                on_wait(waits)
            time.sleep(POLL_SECONDS)
        reason = f"backfill {backfill} ended {ended} before the case had a verdict; see {self._backfills}"
        for case in cases:
            if case not in results:
                results[case] = CaseResult(case, run_mode, Verdict.FAILED, reason)
                on_result(results[case])
        return results

    def _launch(self, cases: Sequence[Case], run_mode: RunMode, config: Mapping[str, Any]) -> str:
        answer = self._ask(
            _LAUNCH,
            params={
                "assetSelection": [{"path": [CASE_RESULT]}],
                "partitionNames": [case.case_id for case in cases],
                "runConfigData": config,
                "tags": [{"key": "run_mode", "value": run_mode.value}],
                "title": f"matrix launch: {len(cases)} cases",
            },
        )
        backfill: str = answer["backfillId"]
        return backfill

    def _ended(self, backfill: str) -> str | None:
        """Return how the backfill ended, which says nothing of its cases; None while it goes on."""
        answer = self._ask(_BACKFILL, id=backfill)
        status: str = answer["status"]
        error = (answer.get("error") or {}).get("message", "").partition("\n")[0]
        going_on = status in ("REQUESTED", "CANCELING", "FAILING")
        return None if going_on else f"{status} {error}".strip()

    def _waits_for(self, runs: Sequence[Mapping[str, Any]]) -> str:
        """Return what keeps the runs from going on; nothing where one is under way."""
        if not runs:
            health = self._ask(_DAEMON)["daemonHealth"]["daemonStatus"]
            if not health["healthy"]:
                return f"no daemon is alive at {self.url}: the backfill begins once one is, `make dev` starts one too"
            return "waiting for Dagster's daemon, which takes up a backfill within 40 s or so"
        under_way = any(run["status"] not in ("QUEUED", *_ENDED) for run in runs)
        queued = any(run["status"] == "QUEUED" for run in runs)
        return "waiting in Dagster's queue behind other runs" if queued and not under_way else ""

    def _verdicts(self, run: str, cursors: dict[str, str | None], run_mode: RunMode) -> Iterator[CaseResult]:
        """Yield the verdicts that the run has logged since the last call."""
        more = True
        while more:
            answer = self._ask(_EVENTS, run=run, after=cursors.get(run))
            cursors[run], more = answer["cursor"], answer["hasMore"]
            for event in answer["events"]:
                if event["__typename"] in ("MaterializationEvent", "ObservationEvent"):
                    yield _result(CASES_BY_ID[event["partition"]], run_mode, event["metadataEntries"])

    def _ask(self, query: str, **variables: Any) -> Any:
        """Return the data of the only field. Raises UsageError when there is no Dagster, or it refuses."""
        try:
            response = self._client.post("/graphql", json={"query": query, "variables": variables})
            answer = response.raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            raise UsageError(
                f"no Dagster answers at {self.url} ({error}); start one with `make dev` or give --url"
            ) from None
        if answer.get("errors"):
            raise UsageError(f"Dagster at {self.url} does not understand: {answer['errors'][0]['message']}")
        (data,) = answer["data"].values()
        if isinstance(data, dict) and (data["__typename"].endswith("Error") or data["__typename"].endswith("Invalid")):
            messages = [data.get("message", ""), *(error["message"] for error in data.get("errors", ()))]
            text = " ".join(" ".join(filter(None, messages)).split())
            raise UsageError(f"Dagster at {self.url} refuses: {text or data['__typename']}")
        return data


def _result(case: Case, run_mode: RunMode, entries: Sequence[Mapping[str, Any]]) -> CaseResult:
    """Read back what `assets.events` wrote."""
    values = {entry["label"]: _value(entry) for entry in entries}
    return CaseResult(
        case=case,
        run_mode=run_mode,
        verdict=Verdict(values["verdict"]),
        reason=values["reason"],
        checks=tuple(Check(name, passed) for name, passed in values["checks"].items()),
        rows=values["rows"],
        seconds={**values.get("seconds_by_stage", {}), "total": values["seconds"]},
        endpoints=values["endpoints"],
    )


def _value(entry: Mapping[str, Any]) -> Any:
    if "jsonString" in entry:
        return json.loads(entry["jsonString"])
    return next((entry[kind] for kind in ("text", "intValue", "floatValue") if kind in entry), None)
