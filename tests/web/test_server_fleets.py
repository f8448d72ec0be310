"""`stepdown serve` over a fleet."""

from pathlib import Path

from fleet_world import FleetServerHere, fleet_of, load_fleet
from small_endpoint import endpoint, post_json
from stepdown.models import FleetModel, ServerFiles
from stepdown.web.state import Places, State

BODY = {"model": "direct/openai/student", "messages": [{"role": "user", "content": "What is 2 and 2?"}]}


def test_a_fleet_answers_as_the_student_of_a_served_method(tmp_path: Path) -> None:
    with fleet_of(FleetServerHere(["500"]), FleetServerHere()) as addresses:
        student = load_fleet(addresses, "openai/small")
        with endpoint(tmp_path, {"openai/student": student}) as served:
            status, _, answer = post_json(served.url, BODY)
            with served.store() as store:
                rows = store.db.execute("select server from calls").fetchall()
    assert (status, answer["choices"][0]["message"]["content"]) == (200, "The answer is 4.")
    assert rows == [(addresses[1],)]


def test_a_server_loads_fleets_from_its_files_and_gives_them_to_the_runs_it_starts(tmp_path: Path) -> None:
    file, config = tmp_path / "servers.txt", tmp_path / "other.toml"
    file.write_text("http://127.0.0.1:1/v1\n")
    config.write_text('[models.lab]\nservers = ["http://127.0.0.1:2/v1", "http://127.0.0.1:3/v1"]\n')
    state = State(tmp_path / "s.sqlite", places=Places(ServerFiles([f"vllm={file}"], config=config)))
    for name, count in (("vllm/small", 1), ("openai-api/lab/small", 2)):
        model = state.load(name)
        assert isinstance(model, FleetModel)
        assert len(model.servers) == count
    assert state.jobs.options == (f"--servers=vllm={file}",)
