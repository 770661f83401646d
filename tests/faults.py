"""The faults by name; which check must catch which is said in `test_faults`.

Here lives the list; what each does lives in `source_faults` and `sink_faults`.
It may import these, `faulty` and pyarrow.
"""

import pyarrow as pa
import pyarrow.compute as pc
import sink_faults as sink
import source_faults as source
from faulty import Fault
from sink_faults import TICK

FAULTS: dict[str, Fault] = {
    "lost row": Fault(read=source.lost_row),
    "row delivered twice": Fault(read=source.repeated_row),
    "stale row delivered": Fault(read=source.stale_row),
    "tie with the position lost": Fault(read=source.tie_lost),
    "tie with the position repeated": Fault(read=source.tie_repeated),
    "key list taken too early": Fault(read=source.keys_too_early),
    "key list not taken": Fault(read=source.keys_not_taken),
    "nothing staged, nothing done": Fault(load=sink.skips_when_empty),
    "empty read moves position back": Fault(read=source.moved_back),
    "emptied source moves it back": Fault(read=source.moved_back_at_the_end),
    "source includes the end": Fault(request=source.asks(source.widened)),
    "sink includes the end": Fault(load=sink.clears(source.widened)),
    "both include the end": Fault(request=source.asks(source.widened), load=sink.clears(source.widened)),
    "source excludes the start": Fault(request=source.asks(source.narrowed)),
    "sink excludes the start": Fault(load=sink.clears(source.narrowed)),
    "both exclude the start": Fault(request=source.asks(source.narrowed), load=sink.clears(source.narrowed)),
    "changes folded by time": Fault(load=sink.by_time),
    "first change kept": Fault(load=sink.first_wins),
    "deletes win": Fault(load=sink.deletes_last),
    "-0.0 becomes 0.0": Fault(load=sink.altering(sink.positive_zeros, pa.types.is_float64)),
    "trailing spaces trimmed": Fault(load=sink.altering(pc.utf8_rtrim_whitespace, pa.types.is_string)),
    "'' becomes NULL": Fault(load=sink.altering(sink.empty_texts_to_null, pa.types.is_string)),
    "NULL becomes ''": Fault(load=sink.altering(sink.nulls_to_empty_text, pa.types.is_string)),
    "microseconds cut": Fault(load=sink.altering(sink.milliseconds, pa.types.is_timestamp)),
    "key case folded": Fault(load=sink.altering(pc.utf8_lower, pa.types.is_string)),
    "row inserted twice": Fault(after=sink.from_second(sink.duplicates)),
    "old version kept": Fault(after=sink.from_second(sink.keeps_old_version)),
    "late delete": Fault(after=sink.from_second(sink.deletes_late)),
    "older row touched": Fault(after=sink.from_second(sink.touches("customer_id", lambda done: -1))),
    "wrong hash stored": Fault(after=sink.wrote("row_hash", lambda digest: digest ^ 1)),
    "wrong cell stored": Fault(after=sink.wrote("customer_id", lambda value: -1)),
    "load_id shared by loads": Fault(load=sink.shared_load_id),
    "loaded_at per row": Fault(after=sink.wrote("loaded_at", lambda instant: instant + TICK)),
    "replay adds a row": Fault(after=sink.in_third(sink.duplicates)),
    "replay rewrites a row": Fault(after=sink.in_third(sink.claims)),
    "second open version": Fault(after=sink.from_second(sink.second_open_version)),
    "valid_to a tick early": Fault(after=sink.closes_at(lambda done: done.load.loaded_at - TICK)),
    "valid_to a tick late": Fault(after=sink.closes_at(lambda done: done.load.loaded_at + TICK)),
    "valid_to one load early": Fault(after=sink.from_second(sink.closes_at(sink.load_before))),
    "valid_from a tick late": Fault(after=sink.wrote("valid_from", lambda instant: instant + TICK)),
    "position not committed": Fault(after=sink.from_second(sink.position_dropped)),
    "position forgotten": Fault(after=sink.position_forgotten),
    "one insert too many reported": Fault(after=sink.reports(inserted=1)),
    "one update not reported": Fault(after=sink.reports(updated=-1)),
    "one delete too many reported": Fault(after=sink.reports(deleted=1)),
    "staging left behind": Fault(leaves=("orders_staging",)),
    "NULL key accepted": Fault(load=sink.null_keys_filled),
    "NULL key refused, not named": Fault(refuses_with="constraint violated"),
    "NULL key refused, rows lost": Fault(refusal=sink.emptied),
    "NULL key refused, row doubled": Fault(refusal=sink.duplicates),
    "NULL key refused, row marked": Fault(refusal=sink.claims),
    "NULL key refused, row touched": Fault(refusal=sink.touches("customer_id", lambda done: -1)),
    "NULL key refused, position moved": Fault(refusal=sink.position_moved),
}
