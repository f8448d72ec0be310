"""One SQLite file that keeps every call, run, trace, grade and plan edit; the only SQL of the project.

A call is found again by what was asked (`call_key`), so no run, method or student pays for it twice.
Readers page through traces by key, so a run of a million problems never lies in memory.
"""

from typing import TYPE_CHECKING

from stepdown.store.annotations import Annotation, annotate, annotations_by_trace, stored_annotations
from stepdown.store.batches import Batch, BatchedCall, Batches, BatchLine
from stepdown.store.call_claims import BEAT, Claim, Claims
from stepdown.store.changes import ChangeKind, VerdictChange, VerdictChanges, verdict_changes
from stepdown.store.comparisons import Outcome, StoppedComparison, put_comparisons, stored_comparisons
from stepdown.store.connection import Locked
from stepdown.store.corrections import BY_PERSON, SOURCE, copied_from, copies_of, correct, put_solved_again
from stepdown.store.database import default_path
from stepdown.store.derived import carry_over
from stepdown.store.empty_files import discard_if_empty
from stepdown.store.extracts import extract_runs
from stepdown.store.filesystem import network_of
from stepdown.store.followed_steps import keep_letters, kept_letters, letters_by, letters_kept
from stepdown.store.grade_blocks import VERDICTS, GradeBlock, answers_of, trace_keys, verdicts_of
from stepdown.store.handed_on import HandedOn, all_handed_on, handed_on, keep_handed_on
from stepdown.store.labels import (
    NO_LABELS,
    RunLabels,
    check_name,
    check_tag,
    label,
    labels_of,
    last_command,
    note_command,
    note_studies,
    run_labels,
    tag,
    untag,
)
from stepdown.store.lookup import FoundCall, calls_called, runs_with_fingerprint, traces_of_problem, traces_with_call
from stepdown.store.lost_calls import LostCall, lost_calls, put_lost_calls
from stepdown.store.measurements import MeasuredRequest, measured_requests
from stepdown.store.opening import PATIENCE
from stepdown.store.people_marks import (
    SKIPPED,
    PersonMark,
    judged_traces,
    put_marks,
    put_rubric,
    stored_marks,
    stored_rubrics,
)
from stepdown.store.people_votes import PersonVote, VoteChoice, VotedRuns, put_votes, stored_votes, voted_runs
from stepdown.store.provenance import Siblings, grades_of, has_all_problems, payers, siblings
from stepdown.store.queue_marks import NO_MARK, Mark, QueueMark, mark_plans, marked_plans
from stepdown.store.records import (
    AbandonedReply,
    Edit,
    StoredCall,
    StoredTrace,
    Summary,
    call_key,
    call_keys,
    problem_key,
    unfindable_key,
    unsigned,
)
from stepdown.store.removal import Removed, removal_of, remove_runs
from stepdown.store.reviews import (
    DecidedReview,
    Decision,
    PendingReview,
    ReviewDecision,
    decide_review,
    pending_review_counts,
    pending_reviews,
    put_review,
    request_review,
    review_decision,
    stored_reviews,
)
from stepdown.store.run import Run, Store
from stepdown.store.run_names import ambiguous, ids_called, known_words
from stepdown.store.schema import BLOCK_BITS, SCHEMA_VERSION
from stepdown.store.served_calls import MOST_CALLS, SERVED, ServedCall, ServedName, served_calls, served_names
from stepdown.store.servers import ServerFigures, put_server_faults, servers_of
from stepdown.store.shards import StoredShards, check_shard, cut_runs, expected_problems, put_shard, shards_of
from stepdown.store.summaries import Tally, blocks_of, keep_audit, kept_audit
from stepdown.store.trace_blocks import RoleCalls, Shape, TraceBlock, unpacked
from stepdown.store.trace_lines import ROLES, TraceLine, flat_rows, trace_line
from stepdown.store.trace_search import (
    MOST,
    WHERE,
    TraceFilter,
    TracePage,
    TraceSummary,
    Where,
    counts,
    neighbours,
    places_with,
    search_traces,
    summaries_at,
    trace_places,
)
from stepdown.store.trace_tests import TraceTests
from stepdown.store.versions import RunVersion, payments, run_version

if TYPE_CHECKING:
    # Loaded by who imports them: most commands neither check nor join stores.
    from stepdown.store import maintenance, merging

__all__ = [
    "BEAT",
    "BLOCK_BITS",
    "BY_PERSON",
    "MOST",
    "MOST_CALLS",
    "NO_LABELS",
    "NO_MARK",
    "PATIENCE",
    "ROLES",
    "SCHEMA_VERSION",
    "SERVED",
    "SKIPPED",
    "SOURCE",
    "VERDICTS",
    "WHERE",
    "AbandonedReply",
    "Annotation",
    "Batch",
    "BatchLine",
    "BatchedCall",
    "Batches",
    "ChangeKind",
    "Claim",
    "Claims",
    "DecidedReview",
    "Decision",
    "Edit",
    "FoundCall",
    "GradeBlock",
    "HandedOn",
    "Locked",
    "LostCall",
    "Mark",
    "MeasuredRequest",
    "Outcome",
    "PendingReview",
    "PersonMark",
    "PersonVote",
    "QueueMark",
    "Removed",
    "ReviewDecision",
    "RoleCalls",
    "Run",
    "RunLabels",
    "RunVersion",
    "ServedCall",
    "ServedName",
    "ServerFigures",
    "Shape",
    "Siblings",
    "StoppedComparison",
    "Store",
    "StoredCall",
    "StoredShards",
    "StoredTrace",
    "Summary",
    "Tally",
    "TraceBlock",
    "TraceFilter",
    "TraceLine",
    "TracePage",
    "TraceSummary",
    "TraceTests",
    "VerdictChange",
    "VerdictChanges",
    "VoteChoice",
    "VotedRuns",
    "Where",
    "all_handed_on",
    "ambiguous",
    "annotate",
    "annotations_by_trace",
    "answers_of",
    "blocks_of",
    "call_key",
    "call_keys",
    "calls_called",
    "carry_over",
    "check_name",
    "check_shard",
    "check_tag",
    "copied_from",
    "copies_of",
    "correct",
    "counts",
    "cut_runs",
    "decide_review",
    "default_path",
    "discard_if_empty",
    "expected_problems",
    "extract_runs",
    "flat_rows",
    "grades_of",
    "handed_on",
    "has_all_problems",
    "ids_called",
    "judged_traces",
    "keep_audit",
    "keep_handed_on",
    "keep_letters",
    "kept_audit",
    "kept_letters",
    "known_words",
    "label",
    "labels_of",
    "last_command",
    "letters_by",
    "letters_kept",
    "lost_calls",
    "maintenance",
    "mark_plans",
    "marked_plans",
    "measured_requests",
    "merging",
    "neighbours",
    "network_of",
    "note_command",
    "note_studies",
    "payers",
    "payments",
    "pending_review_counts",
    "pending_reviews",
    "places_with",
    "problem_key",
    "put_comparisons",
    "put_lost_calls",
    "put_marks",
    "put_review",
    "put_rubric",
    "put_server_faults",
    "put_shard",
    "put_solved_again",
    "put_votes",
    "removal_of",
    "remove_runs",
    "request_review",
    "review_decision",
    "run_labels",
    "run_version",
    "runs_with_fingerprint",
    "search_traces",
    "served_calls",
    "served_names",
    "servers_of",
    "shards_of",
    "siblings",
    "stored_annotations",
    "stored_comparisons",
    "stored_marks",
    "stored_reviews",
    "stored_rubrics",
    "stored_votes",
    "summaries_at",
    "tag",
    "trace_keys",
    "trace_line",
    "trace_places",
    "traces_of_problem",
    "traces_with_call",
    "unfindable_key",
    "unpacked",
    "unsigned",
    "untag",
    "verdict_changes",
    "verdicts_of",
    "voted_runs",
]
