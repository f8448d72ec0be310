"""A report as one self-contained html page: no script, no network, light, dark and print; all text escaped."""

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from stepdown.errors import MissingExtra
from stepdown.files import write_whole
from stepdown.reports.counts import SHOWN_FLIPS, Flip
from stepdown.reports.report_value import Report
from stepdown.settings import in_words
from stepdown.text import as_html, clipped
from stepdown.types import Settings

TRACE_OF_THOUGHT = """@inproceedings{mcdonald-emami-2024-trace,
  title = {Trace-of-Thought Prompting: Investigating Prompt-Based Knowledge Distillation Through
    Question Decomposition},
  author = {McDonald, Tyler and Emami, Ali},
  booktitle = {Proceedings of the 62nd Annual Meeting of the Association for Computational Linguistics:
    Student Research Workshop},
  year = {2024}, pages = {293--306}, note = {arXiv 2504.20946}
}"""
DISTILLATION = """@inproceedings{li-etal-2023-symbolic,
  title = {Symbolic Chain-of-Thought Distillation: Small Models Can Also "Think" Step-by-Step},
  author = {Li, Liunian Harold and Hessel, Jack and Yu, Youngjae and Ren, Xiang and Chang, Kai-Wei and Choi, Yejin},
  booktitle = {Proceedings of the 61st Annual Meeting of the Association for Computational Linguistics},
  year = {2023}, note = {arXiv 2306.14050}
}"""
_LONGEST = 600  # characters of a question or an answer that a page shows


def write_page(report: Report, path: str | Path) -> Path:
    """Write a report as one self-contained page and return its path; its charts need the extra `report`."""
    path = Path(path)
    write_whole(path, page(report).encode())
    return path


def page(report: Report) -> str:
    """Return the page's html; without the extra `report` it says what its charts need."""
    datasets = ", ".join(sorted({row.dataset for row in report.rows}))
    ids = " ".join(row.run for row in report.rows)
    baseline = f" --baseline {report.baseline}" if report.baseline else ""
    contrast = "".join(f" --contrast {one.contrast}" for one in report.consistencies)
    return Template(files("stepdown.reports").joinpath("page.html").read_text("utf-8")).substitute(
        title=escape(f"stepdown: {clipped(datasets, 80)}"),
        caption=escape(report.caption),
        tables="\n".join(as_html(table) for table in report.tables),
        sharing=_section("When shared plans pay off", [f"<p>{escape(str(one))}</p>" for one in report.sharing]),
        charts=_section("Charts", _figures(report)),
        flips=_section("Right before, wrong now", _flips(report)),
        settings="\n".join(_settings(report.settings[row.run], index) for index, row in enumerate(report.rows, 1)),
        trace_of_thought=escape(TRACE_OF_THOUGHT),
        distillation=escape(DISTILLATION),
        command=escape(f"stepdown report {ids}{baseline}{contrast} --html FILE"),
    )


def _section(title: str, parts: Sequence[str]) -> str:
    return "\n".join(["<section>", f"<h2>{escape(title)}</h2>", *parts, "</section>"]) if parts else ""


def _figures(report: Report) -> list[str]:
    try:
        from stepdown.reports.charts import charts_of, svg

        charts = charts_of(report)
        drawn = [(title, svg(chart, f"chart{index}")) for index, (title, chart) in enumerate(charts.items())]
    except MissingExtra as missing:
        return [f"<p>{escape(missing.what)}: <code>{escape(missing.hint)}</code></p>"]
    return [
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<div role="img" aria-label="{escape(title)}">{image}</div></figure>'
        for title, image in drawn
    ]


def _flips(report: Report) -> list[str]:
    parts = []
    for index, row in enumerate(report.rows, 1):
        flips = report.flips.get(row.run, ())
        if flips:
            note = f", the first {SHOWN_FLIPS}" if row.worse > len(flips) else ""
            parts.append(f"<h3>{index} {escape(row.method)}: {row.worse} lost against run {row.baseline}{note}</h3>")
            parts.append(_flip_table(flips))
    return parts


def _flip_table(flips: Sequence[Flip]) -> str:
    rows = "\n".join(
        f"<tr><td><code>{escape(flip.problem)}</code></td><td class=text>{_text(flip.question)}</td>"
        f"<td class=text>{_text(flip.found or 'nothing')}</td><td class=text>{_text(flip.gold)}</td></tr>"
        for flip in flips
    )
    header = "".join(f'<th scope="col">{name}</th>' for name in ("problem", "question", "found", "gold"))
    return f"<div class=wide><table><thead><tr>{header}</tr></thead>\n<tbody>{rows}</tbody></table></div>"


def _text(text: str) -> str:
    return escape(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def _settings(settings: Settings, index: int) -> str:
    pairs = {
        "dataset": f"{settings.dataset}, {settings.count} problems, fingerprint {settings.problems}",
        "student": f"{settings.student}, {in_words(settings.sampling)}",
        "teacher": f"{settings.teacher}, {in_words(settings.teacher_sampling)}" if settings.teacher else "",
        "samples": str(settings.samples),
        "prompts": f"{settings.prompt_set}, fingerprint {settings.prompts}",
        "plans": settings.plans,
        "control": settings.control,
        "origin": settings.origin,
    }
    terms = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in pairs.items() if value)
    title = f"{index} {escape(settings.method)} <code>{settings.id}</code>"
    return f"<details open><summary>{title}</summary><dl>{terms}</dl></details>"
