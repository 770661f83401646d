"""What `matrix doctor` finds: every profile with its requirements, and how many of the selected cases can run.

Here lives the account; whether a requirement is met is said by `certify.Services`, which decides in a run by the same
look. It may import `matrix_defs` and `resources`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from assets.certify import Services
from matrix_defs.cases import Case
from matrix_defs.errors import MatrixError
from matrix_defs.requirements import Requirement, requirements
from matrix_defs.run_modes import RunMode, RunSettings, systems
from matrix_defs.systems import FACTS, Profile, System
from resources.endpoints.endpoint import Endpoint

OLD = timedelta(hours=24)
"""The age from which on what a run has left behind is worth a word."""


class State(StrEnum):
    """Whether a requirement is met."""

    MET = "met"
    UNMET = "unmet"
    UNKNOWN = "not asked"
    """Something before it is not met, so nobody could be asked."""


@dataclass(frozen=True)
class Look:
    """One requirement, looked at."""

    name: str
    meaning: str
    state: State
    optional: bool
    cases: int
    """How many of the selected cases use it."""
    reason: str
    """Why it is not met and what to do about it, as a run would say; empty where it is met."""
    remedy: str
    """What to do to meet it."""


@dataclass(frozen=True)
class ProfileReport:
    """One profile, looked at. Without a selected case that needs it nothing is reached: no kind, no looks."""

    profile: Profile
    kind: str | None
    endpoint: dict[str, Any] | None
    """As `Endpoint.describe` says; None where it could not be had."""
    cases: int
    """How many of the selected cases need the profile."""
    requirements: tuple[Look, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """Everything that was found."""

    run_mode: RunMode
    cases: int
    """How many are selected."""
    runnable: int
    profiles: tuple[ProfileReport, ...]
    refusals: dict[str, str]
    """Why a selected case cannot run, by its id."""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        return asdict(self)


def examine(cases: Sequence[Case], settings: RunSettings, services: Services) -> Report:
    """Look at everything that the cases need. Embedded services are started for it, foreign ones are reached."""
    refusals = {case.case_id: refusal for case in cases if (refusal := services.refusal(case))}
    profiles = tuple(_profile(system, cases, settings, services) for system in _in_order_of_profiles())
    return Report(settings.run_mode, len(cases), len(cases) - len(refusals), profiles, refusals)


def _in_order_of_profiles() -> list[System]:
    by_profile = {facts.profile: system for system, facts in FACTS.items()}
    return [by_profile[profile] for profile in Profile]


def _profile(system: System, cases: Sequence[Case], settings: RunSettings, services: Services) -> ProfileReport:
    needing = [case for case in cases if system in systems(case)]
    if settings.run_mode is RunMode.MOCK_CONTRACT or not needing:
        return ProfileReport(FACTS[system].profile, None, None, len(needing))
    found = services.findings(system)
    endpoint = None if services.absence(system) else services.endpoint(system)
    looks = [_look(requirement, found, needing, endpoint) for requirement in requirements(system)]
    return ProfileReport(
        profile=FACTS[system].profile,
        kind=services.kinds[system],
        endpoint=endpoint.describe() if endpoint else None,
        cases=len(needing),
        # behind an endpoint everything that applies was asked; what is absent does not apply as it is configured
        requirements=tuple(look for look in looks if not (endpoint and look.state is State.UNKNOWN)),
        notes=_notes(system, endpoint, settings, services) if endpoint else (),
    )


def _look(
    requirement: Requirement, found: Mapping[str, str], needing: Sequence[Case], endpoint: Endpoint | None
) -> Look:
    reason = found.get(requirement.name)
    state = State.UNKNOWN if reason is None else State.UNMET if reason else State.MET
    return Look(
        name=requirement.name,
        meaning=requirement.meaning,
        state=state,
        optional=requirement.optional,
        cases=sum(map(requirement.concerns, needing)),
        reason=reason or "",
        remedy=requirement.remedy(**(endpoint.names if endpoint else {})),
    )


def _notes(system: System, endpoint: Endpoint, settings: RunSettings, services: Services) -> tuple[str, ...]:
    """Return what the system has to say, and whether runs have left something behind there."""
    resource = services.resources[system]
    said = list(resource.notes(endpoint, settings.workload.rows))
    if endpoint.kind != "embedded":
        try:
            before = datetime.now(UTC) - OLD
            old = [left for left in resource.leftovers(endpoint) if left.began and left.began < before]
        except MatrixError as error:
            return (*said, str(error))
        if old:
            said.append(f"{len(old)} leftover(s) of runs that began more than a day ago: see `matrix cleanup`")
    return tuple(said)
