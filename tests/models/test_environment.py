"""Addresses, keys and proxies as people, shells and other programs write them into the environment."""

import os
from pathlib import Path

import pytest

from chat_calls import KEY, ask
from faulty_server import faulty_server
from stepdown.errors import StepdownError, UsageError
from stepdown.models import EndpointModel, load_model
from stepdown.models.environment import find_setting, read_env_file
from stepdown.models.http.addresses import bare_address, clean_address
from stepdown.models.http.connections import find_proxy
from stepdown.models.http.endpoints import endpoint_at, find_endpoint

pytestmark = pytest.mark.usefixtures("own_folder")
ELSEWHERE = "https://api.example.com/v1"


@pytest.mark.parametrize(
    ("host", "address"),
    [
        (":11434", "http://localhost:11434/v1"),
        (":5000", "http://localhost:5000/v1"),
        ("::1", "http://[::1]:11434/v1"),
        ("[::1]:5000", "http://[::1]:5000/v1"),
        ("::", "http://localhost:11434/v1"),
        ("[::]:5000", "http://localhost:5000/v1"),
        ("0.0.0.0:5000", "http://localhost:5000/v1"),
        ("'box:5000'", "http://box:5000/v1"),
        ('"http://box:5000"', "http://box:5000/v1"),
        (" box ", "http://box:11434/v1"),
        ("box/", "http://box:11434/v1"),
        ("box:5000/ollama", "http://box:5000/ollama"),
        ("http://box", "http://box/v1"),
        ("https://box:443/ollama/v1/", "https://box:443/ollama/v1"),
        ("192.168.1.7", "http://192.168.1.7:11434/v1"),
        ("2001:db8::7", "http://[2001:db8::7]:11434/v1"),
    ],
)
def test_ollamas_host_is_read_in_every_form_that_ollama_reads(
    monkeypatch: pytest.MonkeyPatch, host: str, address: str
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)
    assert find_endpoint("ollama/m").source == address


WRONG = [
    "http://[::1", "http://::1]:80", "http://h:port/v1", "http://h:99999/v1", "http://h:-1", "http://h:0/v1",
    "http://a b/v1", "http://h/v1\x07", "http://\u2100.example", "http://", "h:8000/v1", "//h/v1", "ftp://h/v1",
    "http://" + "a" * 64 + ".example", "http://a..b/v1", "javascript:alert(1)", "http://[fe80::1%25eth0", "]", "[",
]  # fmt: skip


@pytest.mark.parametrize("address", WRONG)
@pytest.mark.parametrize("variable", ["LAB_BASE_URL", "AZURE_OPENAI_BASE_URL"])
def test_an_address_that_is_none_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, address: str
) -> None:
    monkeypatch.setenv(variable, address)
    with pytest.raises(UsageError, match=f"`{variable}` is .*no web address"):
        load_model("azure/m" if variable.startswith("AZURE") else "openai-api/lab/m")


@pytest.mark.parametrize("host", ["box:port", "http://[::1", "[::1", "box:99999", ":::", "a b"])
def test_a_host_of_ollamas_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)
    with pytest.raises(UsageError, match="`OLLAMA_HOST` is"):
        load_model("ollama/m")


@pytest.mark.parametrize(
    "address", ["http://me:secret@h/v1", "http://me:secret@[::1", "me:secret@h", "http://a@b:secret@h"]
)
def test_no_password_of_an_address_is_ever_shown(address: str) -> None:
    assert "secret" not in bare_address(address)
    with pytest.raises(UsageError) as caught:
        clean_address(address.replace("http", "htp") if "[" not in address else address, "X")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("K=plain", "plain"),
        ('K="double"', "double"),
        ("K='single'", "single"),
        ("  K = spaced  ", "spaced"),
        ("export K=exported", "exported"),
        ("export\tK=tabbed", "tabbed"),
        ("K=value # remark", "value"),
        ("K='one # two' # remark", "one # two"),
        ('K="a\\"b"', 'a"b'),
        ("K=a=b", "a=b"),
        ("K=a#b", "a#b"),
        ("K='unclosed", None),
        ("K=${HOME}", "${HOME}"),
        ('K="two\nlines"', "two\nlines"),
        ("K=", ""),
        ("\ufeffK=marked", "marked"),
        ("#K=no\nK=yes\r", "yes"),
    ],
)
def test_a_line_of_an_env_file_is_read_as_others_read_it(tmp_path: Path, line: str, value: str | None) -> None:
    (tmp_path / ".env").write_text(line, encoding="utf-8")
    assert read_env_file(tmp_path).get("K") == value


def test_an_env_file_that_cannot_be_read_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert read_env_file(tmp_path) == {}
    (tmp_path / ".env").rmdir()
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00K=1\nL=2\n" + b"x" * 2_000_000)
    assert read_env_file(tmp_path)["L"] == "2"


def test_a_working_folder_that_is_gone_has_no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert find_setting("SURELY_NOT_SET") == ""


@pytest.mark.parametrize("key", ["sk\nx", "sk\rx", "a\x00b".replace("\x00", "\x01"), "sk\x1b[2J"])
def test_a_key_that_no_head_can_hold_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(UsageError, match="`OPENAI_API_KEY` holds a line end") as caught:
        load_model("openai/m")
    assert key not in str(caught.value)


def test_a_key_in_quotes_is_sent_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f'"{KEY}"\n')
    assert find_endpoint("openai/m").key.reveal() == KEY


def test_a_user_and_password_of_an_address_are_sent_in_place_of_a_key() -> None:
    with faulty_server() as server:
        address = server.url.replace("http://", "http://me:p%40ss@")
        assert ask(EndpointModel(endpoint_at(address, "m", key=KEY)))[0].text == "The answer is 4."
    assert server.headers[0]["authorization"] == "Basic bWU6cEBzcw=="


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks4", "SOCKS5", "quic"])
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_of_another_kind_is_refused_by_name_before_any_call(
    monkeypatch: pytest.MonkeyPatch, variable: str, scheme: str
) -> None:
    monkeypatch.setenv(variable, f"{scheme}://me:secret@proxy:1080")
    monkeypatch.setenv("LAB_BASE_URL", ELSEWHERE)
    with pytest.raises(UsageError, match=f"`{variable.upper()}` .*of the kind `{scheme.lower()}`") as caught:
        load_model("openai-api/lab/m")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("proxy", ["http://[::1", "http://proxy:port", "http://", "http://p p"])
def test_a_proxy_that_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(UsageError, match=r"`HTTPS_PROXY` is .*no address"):
        find_proxy(ELSEWHERE)


@pytest.mark.parametrize(
    ("variable", "value", "proxy"),
    [
        ("HTTPS_PROXY", "proxy:3128", "http://proxy:3128"),
        ("HTTPS_PROXY", "'http://proxy:3128'", "http://proxy:3128"),
        ("ALL_PROXY", "http://proxy:3128", "http://proxy:3128"),
        ("HTTP_PROXY", "socks5://proxy:1080", None),
        ("HTTPS_PROXY", "", None),
    ],
)
def test_proxies_are_read_as_others_read_them(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, proxy: str | None
) -> None:
    monkeypatch.setenv(variable, value)
    assert find_proxy(ELSEWHERE) == proxy


def test_a_proxy_of_another_kind_hinders_no_call_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy:1080")
    with faulty_server() as server:
        assert ask(EndpointModel(endpoint_at(server.url, "m")))[0].text == "The answer is 4."


@pytest.mark.parametrize("no_proxy", ["*", "example.com", ".example.com", "api.example.com:443", "http://[::1", ",,"])
def test_odd_exceptions_of_a_proxy_raise_nothing(monkeypatch: pytest.MonkeyPatch, no_proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert find_proxy(ELSEWHERE) in {None, "http://proxy:3128"}


@pytest.mark.parametrize(
    "name", ["openai-api/\x00/m", "openai-api/a b/m", "ollama/" + "m" * 100_000, "/", "//", "\udcff/x"]
)
def test_odd_names_of_models_raise_what_can_be_shown(name: str) -> None:
    try:
        model = load_model(name)
    except StepdownError as error:
        assert error.what
    else:
        assert isinstance(model, EndpointModel) and os.sep in name
