"""One question by one client, in an environment of its own: `clients.py` starts it. Exit code 3: no such form."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

QUESTION = "What is 4 plus one?"


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def by_llm(what: str, base: str, model: str) -> str:
    """Ask by the command line of `llm`, which reads its models from a file."""
    import os

    folder = Path(os.environ["LLM_USER_PATH"])
    folder.mkdir(exist_ok=True)
    lines = (
        f"- model_id: asked\n  model_name: '{model}'\n  api_base: '{base}'\n"
        "  supports_tools: true\n  supports_schema: true\n"
    )
    (folder / "extra-openai-models.yaml").write_text(lines)
    more = {
        "plain": ["--no-stream"],
        "stream": [],
        "tools": ["--functions", "def add(a: int, b: int) -> int:\n    'Add.'\n    return a + b"],
        "schema": ["--schema", "answer int"],
    }
    if what not in more:
        sys.exit(3)
    command = [str(Path(sys.executable).with_name("llm")), "-m", "asked", "--key", "none", *more[what], QUESTION]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def by_pydantic_ai(what: str, base: str, model: str) -> str:
    """Ask by an agent."""
    from pydantic import BaseModel
    from pydantic_ai import Agent, NativeOutput
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    class Answer(BaseModel):
        """The answer."""

        answer: int

    provider = OpenAIProvider(base_url=base, api_key="none")
    kind = OpenAIResponsesModel if what == "responses" else OpenAIChatModel
    asked = kind(model, provider=provider)
    if what == "completions":
        sys.exit(3)
    if what == "schema":
        return str(Agent(asked, output_type=NativeOutput(Answer)).run_sync(QUESTION).output)
    agent = Agent(asked, tools=[add] if what in {"tools", "responses"} else [])
    if what == "stream":
        return "".join(agent.run_stream_sync(QUESTION).stream_text(delta=True))
    return str(agent.run_sync(QUESTION).output)


def by_langchain(what: str, base: str, model: str) -> str:
    """Ask by LangChain's models of OpenAI."""
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI, OpenAI

    if what == "completions":
        return str(OpenAI(model=model, base_url=base, api_key="none").invoke(QUESTION))
    asked = ChatOpenAI(model=model, base_url=base, api_key="none", use_responses_api=what == "responses")
    if what == "stream":
        return "".join(str(chunk.content) for chunk in asked.stream(QUESTION))
    if what == "schema":
        schema = {"title": "sum", "type": "object", "properties": {"answer": {"type": "integer"}}}
        return str(asked.with_structured_output(schema, method="json_schema").invoke(QUESTION))
    if what in {"tools", "responses"}:
        bound, wanted = asked.bind_tools([tool(add)]), [("user", QUESTION)]
        first = bound.invoke(wanted)
        [call] = first.tool_calls
        result = {"role": "tool", "tool_call_id": call["id"], "content": str(add(**call["args"]))}
        return str(bound.invoke([*wanted, first, result]).content)
    return str(asked.invoke(QUESTION).content)


ASKING: dict[str, Callable[[str, str, str], str]] = {
    "llm": by_llm, "pydantic-ai": by_pydantic_ai, "langchain": by_langchain,
}  # fmt: skip

if __name__ == "__main__":
    client, what, base, model = sys.argv[1:]
    said = " ".join(ASKING[client](what, base, model).split())
    print(said)
    sys.exit(0 if said else "nothing came back")
