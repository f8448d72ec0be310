"""The endpoint asked by the clients that people have: `llm`, pydantic-ai and LangChain."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from small_endpoint import NAME, Endpoint, endpoint
from stepdown.models.http.endpoint_model import EndpointModel
from stepdown.models.http.endpoints import endpoint_at
from tool_server import ANSWER, tool_server

# Two of them leave their connections to the garbage collector.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]
QUESTION = "What is 4 plus one?"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    folder: Path = tmp_path_factory.mktemp("clients")
    with tool_server() as behind:
        models = {f"openai/{one}": EndpointModel(endpoint_at(behind.url, one)) for one in ("teacher", "student")}
        with endpoint(folder, models) as served:
            yield served


def add(a: int, b: int) -> int:
    """Add two numbers."""
    added.append((a, b))
    return a + b


added: list[tuple[int, int]] = []


def test_llm_is_answered_whole_streamed_and_by_a_tool(served: Endpoint) -> None:
    from llm.default_plugins.openai_models import Chat

    chat: Any = Chat
    model = chat("asked", key="none", model_name=NAME, api_base=served.url, supports_tools=True)
    assert model.prompt(QUESTION, stream=False).text() == ANSWER
    assert "".join(model.prompt(QUESTION, stream=True)).strip() == ANSWER
    added.clear()
    assert model.chain(QUESTION, tools=[add], stream=False).text().strip() == ANSWER and added == [(4, 1)]


def test_pydantic_ai_is_answered_whole_streamed_and_by_a_tool(served: Endpoint) -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel(NAME, provider=OpenAIProvider(base_url=served.url, api_key="none"))
    agent = Agent(model)
    assert agent.run_sync(QUESTION).output == ANSWER
    assert "".join(agent.run_stream_sync(QUESTION).stream_text(delta=True)).strip() == ANSWER
    added.clear()
    assert Agent(model, tools=[add]).run_sync(QUESTION).output == ANSWER and added == [(4, 1)]


def test_langchain_is_answered_whole_streamed_and_by_a_tool(served: Endpoint) -> None:
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    model = ChatOpenAI(model=NAME, base_url=served.url, api_key=SecretStr("none"))
    assert model.invoke(QUESTION).content == ANSWER
    assert "".join(str(chunk.content) for chunk in model.stream(QUESTION)).strip() == ANSWER
    called = list(model.bind_tools([tool(add)]).stream(QUESTION))
    whole: Any = called[0]
    for chunk in called[1:]:
        whole += chunk
    [call] = whole.tool_calls
    assert (call["name"], call["args"]) == ("add", {"a": 4, "b": 1})
