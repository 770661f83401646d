"""The generated documents: up to date, the same every time, and complete."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from matrix_defs.cases import EXCLUSIONS, Filters, select
from matrix_defs.contract import guide_name
from matrix_defs.run_modes import extras
from matrix_defs.strategies import STRATEGIES
from matrix_defs.systems import SINKS, SOURCES, System
from matrix_defs.table import LogicalType
from resources.docs import documents, write_docs
from resources.endpoints.embedded import SERVICES
from resources.registry import RESOURCES
from resources.risks import SINK_RISKS, SOURCE_RISKS

ROOT = Path(__file__).parents[1]
PAIRS = [(source, sink) for source in SOURCES for sink in SINKS]


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return documents()


def test_no_document_is_stale() -> None:
    assert write_docs(ROOT / "docs", check=True) == [], "run `matrix docs`"


def test_documents_do_not_depend_on_the_process_that_writes_them(texts: dict[str, str]) -> None:
    code = "import json; from resources.docs import documents; print(json.dumps(documents()))"
    environ = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environ, capture_output=True, check=True)
    assert json.loads(told.stdout) == texts


def test_there_is_a_guide_for_every_pair_and_one_specification(texts: dict[str, str]) -> None:
    guides = {f"source-sink/{guide_name(source, sink)}" for source, sink in PAIRS}
    assert texts.keys() == {"load-strategies.md", *guides}
    assert len(guides) == 25


def test_checking_writes_nothing_and_writing_writes_only_what_is_stale(tmp_path: Path, texts: dict[str, str]) -> None:
    assert write_docs(tmp_path, check=True) == list(texts)
    assert list(tmp_path.iterdir()) == []
    assert write_docs(tmp_path) == list(texts)
    assert write_docs(tmp_path) == []
    (tmp_path / "load-strategies.md").write_text("old", encoding="utf-8")
    assert write_docs(tmp_path, check=True) == ["load-strategies.md"]
    assert (tmp_path / "load-strategies.md").read_text(encoding="utf-8") == "old"
    assert write_docs(tmp_path) == ["load-strategies.md"]
    assert (tmp_path / "load-strategies.md").read_text(encoding="utf-8") == texts["load-strategies.md"]


@pytest.mark.parametrize(("source", "sink"), PAIRS)
def test_a_guide_tells_cases_exclusions_types_needs_and_risks(
    texts: dict[str, str], source: System, sink: System
) -> None:
    guide = texts[f"source-sink/{guide_name(source, sink)}"]
    cases = select(Filters(source=source, sink=sink))
    for case in cases:
        assert f"### {case.strategy_name}\n" in guide
        assert case.strategy.promise in guide
    for exclusion in (e for e in EXCLUSIONS if (e.case.source, e.case.sink) == (source, sink)):
        assert f"- `{exclusion.case.strategy_name}` ({exclusion.kind}): {exclusion.reason}\n" in guide
        assert f"### {exclusion.case.strategy_name}\n" not in guide
    assert all(f"| {kind} |" in guide for kind in LogicalType)
    assert f"pip install -e '.[{','.join(extras(cases[0]))}]'" in guide
    assert ("'.[embedded]'" in guide) == ({source, sink} <= SERVICES.keys())
    assert all(f"- {risk}\n" in guide for risk in (*SOURCE_RISKS[source], *SINK_RISKS[sink]))
    assert all(loss.partition(": ")[2] in guide for system in (source, sink) for loss in RESOURCES[system].losses)


def test_the_specification_holds_promise_meaning_and_steps_of_every_strategy(texts: dict[str, str]) -> None:
    specification = texts["load-strategies.md"]
    for strategy in STRATEGIES.values():
        section = specification.partition(f"\n## {strategy.name}\n")[2].partition("\n## ")[0]
        assert strategy.promise in section
        assert strategy.expect.__doc__ is not None
        assert strategy.expect.__doc__.splitlines()[0] in section
        assert all(f". `{step}`: " in section for step in strategy.steps)


def test_every_system_of_a_pair_has_its_risks_told() -> None:
    assert SOURCE_RISKS.keys() == set(SOURCES)
    assert SINK_RISKS.keys() == set(SINKS)


@pytest.mark.parametrize("source_and_sink", ["postgres-to-mssql", "kafka-to-kafka"])
def test_examples_stay_narrow(texts: dict[str, str], source_and_sink: str) -> None:
    guide = texts[f"source-sink/{source_and_sink}.md"]
    assert "updated_at" in guide
    assert "customer_id" not in guide
