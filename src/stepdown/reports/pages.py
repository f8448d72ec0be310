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
from stepdown.text import as_html, clipped, counted
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


_WITHIN = "Each section is a report of its own: baselines, paired tests and Holm's correction are within a data set."


def write_page(report: Report, path: str | Path) -> Path:
    """Write a report as one self-contained page and return its path; its charts need the extra `report`."""
    return write_pages([report], path)


def write_pages(reports: Sequence[Report], path: str | Path) -> Path:
    """Write several reports, such as one for each data set, as sections of one page, as `write_page` does one."""
    path = Path(path)
    write_whole(path, page(*reports).encode())
    return path


def page(*reports: Report) -> str:
    """Return the page's html; without the extra `report` it says what its charts need."""
    sections = [_Section(report, number if len(reports) > 1 else 0) for number, report in enumerate(reports, 1)]
    several = len(sections) > 1
    title = ", ".join(dict.fromkeys(section.title for section in sections))
    lines = "".join(f'<li><a href="#{one.anchor}">{escape(one.title)}</a> {one.rows}</li>' for one in sections)
    return Template(files("stepdown.reports").joinpath("page.html").read_text("utf-8")).substitute(
        title=escape(f"stepdown: {clipped(title, 80)}"),
        caption=escape(_WITHIN if several else reports[0].caption),
        contents=f'<nav aria-label="Contents"><h2>Contents</h2><ul>{lines}</ul></nav>' if several else "",
        reports="\n".join(section.html() for section in sections),
        trace_of_thought=escape(TRACE_OF_THOUGHT),
        distillation=escape(DISTILLATION),
        commands="\n".join(f"<p>Made again by <code>{escape(section.command)}</code></p>" for section in sections),
    )


class _Section:
    """A report on its page: all of it, or at a `number` the section of one data set among others."""

    def __init__(self, report: Report, number: int) -> None:
        self.report, self.number, self.level = report, number, 3 if number else 2
        self.anchor = f"report-{number}"
        self.title = ", ".join(sorted({row.dataset for row in report.rows}))
        self.rows = counted(len(report.rows), "run")

    @property
    def command(self) -> str:
        """The command that makes this report again."""
        report = self.report
        baseline = f" --baseline {report.baseline}" if report.baseline else ""
        contrast = "".join(f" --contrast {one.contrast}" for one in report.consistencies)
        return f"stepdown report {' '.join(row.run for row in report.rows)}{baseline}{contrast} --html FILE"

    def html(self) -> str:
        """Return the section's html."""
        report = self.report
        note = "<p class=note>A run's id is the hash of these settings: the same settings are the same run on every "
        settings = [_settings(report.settings[row.run], index) for index, row in enumerate(report.rows, 1)]
        parts = [
            self._part("Figures", [as_html(table) for table in report.tables]),
            self._part("When shared plans pay off", [f"<p>{escape(str(one))}</p>" for one in report.sharing]),
            self._part("Charts", _figures(report, f"s{self.number}-" if self.number else "")),
            self._part("Right before, wrong now", _flips(report, self.level + 1)),
            self._part("Settings", [f"{note}machine.</p>", *settings]),
        ]
        body = "\n".join(part for part in parts if part)
        if not self.number:
            return body
        head = f"<h2>{escape(self.title)}</h2>\n<p>{escape(report.caption)}</p>"
        return f'<article id="{self.anchor}">\n{head}\n{body}\n</article>'

    def _part(self, title: str, parts: Sequence[str]) -> str:
        head = f"<h{self.level}>{escape(title)}</h{self.level}>"
        return "\n".join(["<section>", head, *parts, "</section>"]) if parts else ""


def _figures(report: Report, mark: str) -> list[str]:
    try:
        from stepdown.reports.charts import charts_of, svg

        charts = charts_of(report)
        drawn = [(title, svg(chart, f"{mark}chart{index}")) for index, (title, chart) in enumerate(charts.items())]
    except MissingExtra as missing:
        return [f"<p>{escape(missing.what)}: <code>{escape(missing.hint)}</code></p>"]
    return [
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<div role="img" aria-label="{escape(title)}">{image}</div></figure>'
        for title, image in drawn
    ]


def _flips(report: Report, level: int) -> list[str]:
    parts = []
    for index, row in enumerate(report.rows, 1):
        flips = report.flips.get(row.run, ())
        if flips:
            note = f", the first {SHOWN_FLIPS}" if row.worse > len(flips) else ""
            head = f"{index} {escape(row.method)}: {row.worse} lost against run {row.baseline}{note}"
            parts.append(f"<h{level}>{head}</h{level}>")
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
        "plans a problem": str(settings.plan_samples) if settings.plan_samples > 1 else "",
        "prompts": f"{settings.prompt_set}, fingerprint {settings.prompts}",
        "plans": settings.plans,
        "control": settings.control,
        "origin": settings.origin,
    }
    terms = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in pairs.items() if value)
    title = f"{index} {escape(settings.method)} <code>{settings.id}</code>"
    return f"<details open><summary>{title}</summary><dl>{terms}</dl></details>"
