"""`stepdown audit`: what to know before trusting a run."""

from stepdown.audits import audit as examine
from stepdown.audits import keep_audits
from stepdown.cli.console.passes import telling
from stepdown.cli.console.terminal import show, show_json
from stepdown.cli.options import OutputOptions
from stepdown.cli.stored_runs import SelectionOptions, runs_of
from stepdown.errors import UsageError

OUTPUT, SELECTION = OutputOptions(), SelectionOptions()


def audit(*runs: str, selection: SelectionOptions = SELECTION, output: OutputOptions = OUTPUT) -> int:
    """Audit runs.

    Parameters
    ----------
    runs
        Runs: names, ids or their beginnings, or what stands for several (`gsm8k`, `@last`, `@TAG`).
    """
    if not runs and not selection.narrows:
        raise UsageError("no run is given", "stepdown audit RUN...; `stepdown runs` lists them")
    with output.read() as store:
        chosen = runs_of(store, runs, last=selection.last, tags=selection.tag)
        keep_audits(output.store_path, [run.id for run in chosen], progress=telling("audit", "traces"))
        findings = examine(*chosen)
    if output.json:
        show_json(findings.to_json())
    else:
        show(str(findings))
    return 0
