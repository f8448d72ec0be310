"""The process that renders chat templates: requests as lines of JSON on stdin, texts or errors as lines on stdout.

A template comes with a stranger's file and is a program that may run for ever or fill the memory. It runs here, in
Jinja's sandbox, in bounded processor time and memory; whoever asked kills this process where that is not enough.
The environment is the one that templates are written for (transformers' `apply_chat_template`). This file is run by
its path and imports nothing of stepdown, so that it starts in a moment.
"""

import json
import resource
import sys
from datetime import datetime
from typing import Any

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

CPU_SECONDS = 1
MOST_MEMORY = 1 << 30
MOST_CHARACTERS = 8_000_000  # as `templates` expects


class Generation(Extension):
    """`{% generation %}` marks what a model is trained on; its body is rendered as it stands."""

    tags = frozenset({"generation"})  # type: ignore[assignment]

    def parse(self, parser: Any) -> Any:
        """Return the nodes between the tag and its end."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.Scope(body, lineno=line)


def environment() -> ImmutableSandboxedEnvironment:
    """Return the environment of chat templates."""
    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    made.filters["tojson"] = _to_json
    made.globals["raise_exception"] = _raise
    made.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return made


def _to_json(value: Any, ensure_ascii: bool = False, **more: Any) -> str:
    # Jinja's own filter escapes for pages.
    return json.dumps(value, ensure_ascii=ensure_ascii, **more)


def _raise(message: object) -> None:
    raise jinja2.TemplateError(str(message))


def bound() -> None:
    """Allow this process so much memory from now on."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, hard))


def allow_time() -> None:
    """Allow the next template its seconds of the processor: a process that nobody waits for any more ends too."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + CPU_SECONDS + 1, hard))


def render(made: ImmutableSandboxedEnvironment, wish: dict[str, Any]) -> dict[str, str]:
    """Return the text of a template, or the words of whatever it raised."""
    try:
        template = made.from_string(wish["template"])
        parts, size = [], 0
        # Templates tell `none` from what is undefined.
        variables = {
            "messages": wish["messages"],
            "tools": None,
            "documents": None,
            "add_generation_prompt": wish["begins"],
        }
        for part in template.generate(wish["words"] | variables):
            parts.append(part)
            size += len(part)
            if size > MOST_CHARACTERS:
                return {"error": f"it writes over {MOST_CHARACTERS:,} characters"}
        return {"text": "".join(parts)}
    except MemoryError:
        return {"error": "it wants more memory than a prompt may"}
    except Exception as error:  # a stranger's program may raise anything
        return {"error": str(error)[:1000] or type(error).__name__}


def main() -> None:
    """Say that this process stands, and answer until stdin ends."""
    made = environment()
    bound()
    print("{}", flush=True)
    for line in sys.stdin:
        allow_time()
        print(json.dumps(render(made, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
