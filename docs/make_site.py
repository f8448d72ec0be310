"""Build the site of the documents: `make docs`, or `python docs/make_site.py [FOLDER]` (default: `build/docs`).

A copy of the pages gets what is made from the code: signatures and docstrings of the public names, the notebook as a
page, and `llms.txt` (https://llmstxt.org), which lists the pages for programs. Zensical then builds it strictly.
"""

import ast
import inspect
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args, get_type_hints

import stepdown

HERE = Path(__file__).parent
PAGES = ("*.md", "*.css", "*.ipynb", "screenshots/*.png", "recordings/*", "guides/*.md", "decisions/*.md")
NAME = re.compile(r"^### `(\w+)`$", re.MULTILINE)


def build(folder: Path) -> Path:
    """Return the folder of the built site. Raises `SystemExit` with Zensical's words where a link leads nowhere."""
    pages = folder / "pages"
    shutil.rmtree(folder, ignore_errors=True)
    for file in (found for pattern in PAGES for found in HERE.glob(pattern)):
        copy = pages / file.relative_to(HERE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    shutil.copyfile(HERE / "zensical.toml", folder / "zensical.toml")
    (pages / "api.md").write_text(with_signatures((pages / "api.md").read_text("utf-8")), "utf-8")
    (pages / "notebook.md").write_text(page_of(json.loads((HERE / "quickstart.ipynb").read_text("utf-8"))), "utf-8")
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(re.sub(r"\x1b\[[\d;]*m", "", done.stdout))
    (folder / "site" / "llms.txt").write_text(llms(pages), "utf-8")
    for page in pages.rglob("*.md"):
        shutil.copyfile(page, folder / "site" / page.relative_to(pages))
    return folder / "site"


def with_signatures(text: str) -> str:
    """Put below each heading that is a public name its signature and what its docstring says."""
    return NAME.sub(lambda found: f"{found[0]}\n\n{described(found[1])}", text)


def described(name: str) -> str:
    """Return a public name's signature as a block, and its docstring."""
    value: Any = getattr(stepdown, name)
    shown = "" if is_protocol(value) else folded(plain_signature(value))
    kind = "class " if inspect.isclass(value) else ""
    options = "\n".join(f"- `{option}` (`{hint}`): {text}" for option, hint, text in options_of(value))
    return f"```py\n{kind}{name}{shown}\n```\n\n{inspect.getdoc(value) or ''}" + f"\n\nOptions:\n\n{options}" * bool(
        options
    )


def options_of(value: Any) -> Iterator[tuple[str, str, str]]:
    """Yield what `**options` of a function may be: name, type and what the line below it says."""
    last = [] if inspect.isclass(value) else [*inspect.signature(value).parameters.values()][-1:]
    if not last or last[0].kind is not inspect.Parameter.VAR_KEYWORD:
        return
    [kind] = get_args(last[0].annotation)
    texts = {name: text for one in (stepdown.run, value) for name, text in texts_in(Path(inspect.getfile(one)).parent)}
    for name, hint in get_type_hints(kind).items():
        yield name, without_modules(inspect.formatannotation(hint)), texts[name]


def texts_in(room: Path) -> Iterator[tuple[str, str]]:
    """Yield each field of a room's `...Options` with the text below it."""
    trees = [ast.parse(file.read_text("utf-8")) for file in room.glob("*.py")]
    kinds = [
        one for tree in trees for one in tree.body if isinstance(one, ast.ClassDef) and one.name.endswith("Options")
    ]
    for field, text in (pair for kind in kinds for pair in pairwise(kind.body)):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            assert isinstance(field.target, ast.Name)
            yield field.target.id, str(text.value.value)


def without_modules(text: str) -> str:
    """Return types without their modules, and without quotes around those that come later."""
    return re.sub(r"'([A-Z]\w*)'", r"\1", re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", text))


class Shown:
    """A default as a page shows it: whole where it is short."""

    def __init__(self, value: object) -> None:
        text = re.sub(r"<.*? at 0x\w+>", "...", repr(value))
        self.text = text if len(text) < 40 else f"{type(value).__name__}(...)"

    def __repr__(self) -> str:
        return self.text


def plain_signature(value: Any) -> str:
    """Return a signature without the modules of its types and with short defaults."""
    signature = inspect.signature(value)
    parameters = [
        one if one.default is one.empty else one.replace(default=Shown(one.default))
        for one in signature.parameters.values()
    ]
    text = without_modules(str(signature.replace(parameters=parameters)))
    return re.sub(r"\*<class '?(\w+)'?>", r"\1", text)


def is_protocol(value: object) -> bool:
    """Whether this only says what others implement."""
    return bool(getattr(value, "_is_protocol", False))


def folded(signature: str) -> str:
    """Put each parameter of a long signature on a line of its own."""
    if len(signature) < 100:
        return signature
    head, _, tail = signature.rpartition(")")
    parts = re.split(r", (?=[*\w]+[:,=]|[*]$|[*\w]+$)", head[1:])
    return "(\n" + "".join(f"    {part},\n" for part in parts) + ")" + tail


def page_of(notebook: dict[str, Any]) -> str:
    """Return a notebook as a page: its texts, its code and what that printed."""
    return "\n\n".join(text for cell in notebook["cells"] for text in cell_texts(cell)) + "\n"


def cell_texts(cell: dict[str, Any]) -> Iterator[str]:
    """Yield the blocks of one cell."""
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield source
        return
    yield f"```py\n{source}\n```"
    for output in cell.get("outputs", ()):
        data = output.get("data", {})
        if "text/html" in data:
            yield "".join(data["text/html"])
        else:
            text = "".join(output.get("text", data.get("text/plain", "")))
            yield f"```text\n{text.rstrip()}\n```"


def llms(pages: Path) -> str:
    """Return `llms.txt`: what this is, and each page with its first sentence."""
    project = tomllib.loads((HERE / "zensical.toml").read_text("utf-8"))["project"]
    lines = [f"# {project['site_name']}", "", f"> {project['site_description']}"]
    for part in project["nav"]:
        for title, entry in part.items():
            lines += ["", f"## {title}", "", *(entry_of(pages, page) for page in files_of(entry))]
    return "\n".join(lines) + "\n"


def files_of(entry: Any) -> list[str]:
    """Return the files of an entry of the navigation, in order."""
    if isinstance(entry, str):
        return [entry]
    parts = entry.values() if isinstance(entry, dict) else entry
    return [file for part in parts for file in files_of(part)]


def entry_of(pages: Path, page: str) -> str:
    """Return a page's line: its title, where it is, and its first paragraph."""
    title, *rest = (part.strip() for part in (pages / page).read_text("utf-8").split("\n\n"))
    first = next((" ".join(part.split()) for part in rest if part[:1].isalnum() or part[:1] in "`*-"), "")
    sentence = re.split(r"(?<=[.?!])\s", first)[0]
    return f"- [{title.removeprefix('# ')}]({page}): {sentence}"


if __name__ == "__main__":
    print(build(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "build" / "docs"))
