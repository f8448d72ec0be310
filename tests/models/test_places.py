"""In which numbers a processor computes whole-number weights."""

from pathlib import Path

import pytest

from stepdown.models.local.places import Place, openvino_place

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
