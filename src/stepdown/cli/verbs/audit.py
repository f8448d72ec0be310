"""`stepdown audit`: what to know before trusting a run."""

from dataclasses import dataclass

import msgspec
from cyclopts import Parameter

from stepdown.audits import audit as examine
from stepdown.audits import keep_audits, step_judge
from stepdown.cli.console.passes import telling
from stepdown.cli.console.terminal import show, show_json
from stepdown.cli.estimates import say_unset
from stepdown.cli.from_settings import verb
from stepdown.cli.grid import Players
from stepdown.cli.judge_costs import JudgeCost, Judging, refuse_unused
from stepdown.cli.options import CHOICE, Limit, OutputOptions, RunNames
from stepdown.cli.step_judging import JudgeEstimate, ask_judge, estimate_judge
from stepdown.cli.stored_runs import SelectionOptions, runs_of
from stepdown.cli.unused_options import given, refuse
from stepdown.errors import UsageError
from stepdown.settings import EndpointSettings, RunBudgetSettings


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class AuditOptions:
    """Who says whether plans were followed.

    Parameters
    ----------
    judge
        Also ask this model what became of each step of the plans, and keep what it says, for blame here and for
        `report --adherence --judge`, Compare and the pages of traces; otherwise our rule says it (docs/adherence.md).
    limit
        Ask the judge about this many traces of each run, its first ones with a plan and a solution.
    """

    judge: str | None = None
    limit: Limit = None


DEFAULTS, MONEY, ENDPOINT = AuditOptions(), RunBudgetSettings(), EndpointSettings()
OUTPUT, SELECTION = OutputOptions(), SelectionOptions()


@verb
def audit(
    *runs: RunNames,
    selection: SelectionOptions = SELECTION,
    options: AuditOptions = DEFAULTS,
    spend: RunBudgetSettings = MONEY,
    endpoint: EndpointSettings = ENDPOINT,
    output: OutputOptions = OUTPUT,
) -> int:
    """Audit runs."""
    if not runs and not selection.narrows:
        raise UsageError("no run is given", "stepdown audit RUN...; `stepdown runs` lists them")
    if options.judge is None:
        refuse_unused(spend, endpoint, "--judge MODEL")
        refuse(given(options, "limit"), "no judge is asked", "give --judge MODEL, or leave it out")
    with output.read() if options.judge is None else output.reopen() as store:
        chosen = runs_of(store, runs, last=selection.last, tags=selection.tag)
        judge, judged, spent = None, None, JudgeCost()
        if options.judge is not None and chosen:
            players = Players(store, endpoint, keyless=spend.estimate)
            model, judging = players.load(options.judge, "--judge"), Judging(options.judge, spend, *chosen)
            if spend.estimate:
                say_unset(players.unset)
                return _show_estimate(estimate_judge(chosen, model, judging.prices, options.limit), output)
            players.fetch()
            judge, judged = step_judge(model), ask_judge(chosen, model, judging, options.limit)
            spent = judging.spent
        keep_audits(output.store_path, [run.id for run in chosen], progress=telling("audit", "traces"))
        findings = examine(*chosen, judge=judge)
    if output.json:
        show_json(findings.to_json() | {"judged": msgspec.to_builtins(judged), **msgspec.to_builtins(spent)})
    else:
        show(str(findings))
    return int(judged is not None and judged.judged < judged.traces)


def _show_estimate(found: JudgeEstimate, output: OutputOptions) -> int:
    if output.json:
        show_json(found)
    else:
        show(str(found))
    return 0
