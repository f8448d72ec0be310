"""Model strings lead to endpoints, and keys come from where they should and are shown to nobody."""

import os
from functools import partial
from pathlib import Path

import msgspec
import pytest

from chat_calls import KEY, ask
from faulty_server import faulty_server
from stepdown.errors import UnknownName, UsageError
from stepdown.models import ADDRESSES, EndpointModel, load_model
from stepdown.models.environment import Secret, find_setting
from stepdown.models.http.connections import find_proxy
from stepdown.models.http.endpoints import endpoint_at, find_endpoint

pytestmark = pytest.mark.usefixtures("own_folder")


def test_a_model_string_leads_to_its_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    endpoint = find_endpoint("openrouter/openai/gpt-4o")
    assert (endpoint.model, endpoint.source) == ("openai/gpt-4o", "https://openrouter.ai/api/v1")
    assert endpoint.url == "https://openrouter.ai/api/v1/chat/completions"


def test_every_provider_of_the_table_has_a_well_formed_address() -> None:
    for provider, address in ADDRESSES.items():
        assert provider == "azure" or (address.startswith("http") and not address.endswith("/"))


def test_local_servers_need_no_key_and_cost_nothing() -> None:
    assert find_endpoint("ollama/llama3.2:1b").source == "http://localhost:11434/v1"
    assert all(find_endpoint(f"{name}/m").local for name in ("ollama", "vllm", "llamacpp"))


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("0.0.0.0", "http://localhost:11434/v1"),
        ("box:5000", "http://box:5000/v1"),
        ("https://box/ollama/", "https://box/ollama"),
        ("[::1]", "http://[::1]:11434/v1"),
    ],
)
def test_ollama_host_is_read_as_ollama_writes_it(monkeypatch: pytest.MonkeyPatch, host: str, address: str) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)
    assert find_endpoint("ollama/m").source == address


def test_any_endpoint_is_reached_by_a_name_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_LAB_BASE_URL", "http://me:pass@lab:9/v1/chat/completions?team=1")
    endpoint = find_endpoint("openai-api/my-lab/org/model")
    assert (endpoint.model, endpoint.source) == ("org/model", "http://lab:9/v1")
    assert endpoint.url == "http://me:pass@lab:9/v1/chat/completions?team=1"
    assert find_endpoint("openai-completions/my-lab/m").url.endswith("/v1/completions?team=1")


def test_azure_gets_its_deployment_version_and_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AZURE_OPENAI_BASE_URL", "https://lab.openai.azure.com/")
    endpoint = find_endpoint("azure/gpt-4o")
    start, version = endpoint.url.split("?api-version=")
    assert start == "https://lab.openai.azure.com/openai/deployments/gpt-4o/chat/completions"
    assert (len(version), endpoint.key_header) == (10, "api-key")
    assert endpoint.source == "https://lab.openai.azure.com/openai/deployments/gpt-4o"


def test_azures_key_goes_into_its_own_header() -> None:
    with faulty_server() as server:
        endpoint = msgspec.structs.replace(endpoint_at(server.url, "m", key=KEY), key_header="api-key")
        ask(EndpointModel(endpoint))
    assert server.headers[0]["api-key"] == KEY
    assert "authorization" not in server.headers[0]


def test_a_missing_key_is_named() -> None:
    with pytest.raises(UsageError, match="`OPENAI_API_KEY` is not set"):
        load_model("openai/gpt-4o")


def test_an_address_of_ones_own_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:9/v1")
    assert isinstance(load_model("openai/gpt-4o"), EndpointModel)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("opnai/gpt-4o", UnknownName, "did you mean `openai`"),
        ("gpt-4o", UsageError, "did you mean `openai/gpt-4o`"),
        ("openai", UsageError, "names no model"),
        ("openai-api/lab", UsageError, "names no model"),
        ("openai-api/lab/m", UsageError, "`LAB_BASE_URL` is not set"),
        ("azure/m", UsageError, "`AZURE_OPENAI_BASE_URL` is not set"),
        ("", UsageError, "provider"),
    ],
)
def test_a_name_that_leads_nowhere_says_why(name: str, error: type[UsageError], message: str) -> None:
    with pytest.raises(error, match=message):
        load_model(name)


def test_an_address_without_a_scheme_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_BASE_URL", "localhost:8000/v1")
    with pytest.raises(UsageError, match="no web address"):
        load_model("openai-api/lab/m")


def test_a_folder_without_a_model_is_no_provider(tmp_path: Path) -> None:
    (tmp_path / "students" / "smol").mkdir(parents=True)
    with pytest.raises(UsageError, match="is not a model"):
        load_model("students/smol")


def test_a_concurrency_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="`0`"):
        load_model("ollama/m", concurrency=0)


def test_settings_come_from_the_environment_then_from_the_nearest_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("# keys\nexport A_API_KEY='one # two'\nB_API_KEY=file # mine\nodd line\n")
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.setenv("B_API_KEY", "environment")
    find = partial(find_setting, folder=tmp_path / "a" / "b")
    assert (find("A_API_KEY"), find("B_API_KEY"), find("C_API_KEY")) == ("one # two", "environment", "")
    assert "A_API_KEY" not in os.environ


def test_a_secret_shows_itself_to_nobody() -> None:
    assert KEY not in f"{Secret(KEY)} {Secret(KEY)!r}"


def test_proxies_are_for_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    assert find_proxy("https://api.openai.com/v1") == "http://proxy:3128"
    assert find_proxy("https://inside.example/v1") is None
    assert find_proxy("http://localhost:11434/v1") is find_proxy("http://127.0.0.1:1/v1") is None
