"""In which numbers a processor computes whole-number weights, and a graphics card what it is given."""

from pathlib import Path

import pytest

from small_students import TRAINS
from stepdown.models.local.places import Place, card_name, gguf_place, openvino_place, place_of

AVX = "fma avx2 avx512f avx512_vnni"


@pytest.mark.parametrize(
    ("flags", "dtype"),
    [
        ("fma avx2", "float32"),
        (AVX, "float32"),
        (f"{AVX} avx512_bf16", "bfloat16"),
        (f"{AVX} avx512_bf16 amx_bf16 amx_tile amx_int8", "float32"),
    ],
)
def test_whole_number_weights_compute_in_bfloat16_where_avx_512_has_it_and_amx_does_not(
    flags: str, dtype: str, tmp_path: Path
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nmodel name\t: of avx512_bf16\nflags\t\t: {flags}\nbugs\t\t:\n")
    assert openvino_place(cpuinfo) == Place(dtype=dtype)


def test_where_no_file_tells_of_the_processor_they_compute_in_float32(tmp_path: Path) -> None:
    assert openvino_place(tmp_path / "none") == Place() and Place().source == ""
    assert Place(dtype="bfloat16").source == "cpu/bfloat16"


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graphics card, as torch would tell of it, that only emulates bfloat16."""
    import torch

    monkeypatch.setattr("stepdown.models.local.places.device", lambda: "cuda")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *, including_emulation: including_emulation)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla T4")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (14 * 10**9, 16 * 10**9))


@pytest.mark.slow
@TRAINS[0]
@pytest.mark.usefixtures("card")
@pytest.mark.parametrize(("stored", "computed"), [("bfloat16", "float32"), ("float16", "float16")])
def test_a_card_that_would_emulate_bfloat16_computes_in_float32(stored: str, computed: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(f'{{"dtype": "{stored}"}}')
    assert place_of(tmp_path) == Place("cuda", computed)
    assert place_of(tmp_path, on="cuda") == Place("cuda", stored)
    assert gguf_place() == Place("cuda", "float32") and card_name() == "Tesla T4 (14 of 16 GB free)"
