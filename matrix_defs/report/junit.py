"""The report as JUnit XML, for the CI systems that show it: one test case per case of the matrix.

Here lives what is written where; the format is junitparser's matter. It may import the pure parts of `matrix_defs`.
"""

import re
from collections.abc import Iterator

from junitparser import Failure, JUnitXml, Properties, Property, Skipped, TestCase, TestSuite

from matrix_defs.report.records import Record, Records
from matrix_defs.result import Verdict
from matrix_defs.run_modes import RunMode

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold in any spelling (https://www.w3.org/TR/xml/#charsets)."""


def junit(records: Records, run_mode: RunMode) -> str:
    """Return the document: a suite per run mode, failures with their differences, `not_run` as skipped."""
    suite = TestSuite(f"integration matrix, {run_mode}")
    suite.add_testcases([_case(record) for record in records.values()])
    document = JUnitXml("integration matrix")
    document.add_testsuite(suite)
    document.update_statistics()
    return str(document.tostring(), "utf-8")


def _case(record: Record) -> TestCase:
    pair = f"{record['source']}_to_{record['sink']}"
    case = TestCase(record["case_id"], f"matrix.{record['run_mode']}.{pair}", record["seconds"].get("total", 0.0))
    properties = Properties()
    for name, value in _properties(record):
        properties.add_property(Property(name, _xml(value)))
    case.append(properties)
    if record["verdict"] == Verdict.FAILED:
        failure = Failure(_xml(record["reason"]), "failed")
        failure.text = _xml("\n".join(_found(record)))
        case.result = failure
    elif record["verdict"] == Verdict.NOT_RUN:
        case.result = Skipped(_xml(record["reason"]))
    return case


def _properties(record: Record) -> Iterator[tuple[str, str]]:
    yield from ((name, str(record[name])) for name in ("source", "sink", "strategy", "run_mode", "rows"))
    yield "rows_per_second", str(record["rows_per_second"])
    for role, facts in record["endpoints"].items():
        yield from (
            (f"{role}.{name}", str(facts[name])) for name in ("kind", "engine", "version", "emulator", "address")
        )


def _found(record: Record) -> Iterator[str]:
    """Yield the failed checks, then the first differing rows of each stage."""
    yield from (f"{check['name']}: {check['detail']}" for check in record["checks"] if not check["passed"])
    for stage, found in record["differences"].items():
        counts = ", ".join(f"{found[kind]} {kind}" for kind in ("missing", "unexpected", "changed"))
        yield f"{stage}: {counts}" + (f", in {', '.join(found['columns'])}" if found["columns"] else "")
        for row in found["first"]:
            yield f"  {row['kind']}: {row['row']}" + (f" | {row['cells']}" if row.get("cells") else "")


def _xml(text: str) -> str:
    """Return the text with what XML cannot hold written as an escape."""
    return _NOT_IN_XML.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
