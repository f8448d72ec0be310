"""OpenVINO GenAI, imported as this package wants it."""

import sys
from typing import Any, cast


def import_genai() -> Any:
    """Import OpenVINO without its telemetry, which writes a file in the home directory and calls out on import."""
    present = "openvino_telemetry" in sys.modules
    sys.modules.setdefault("openvino_telemetry", cast(Any, None))
    try:
        import openvino_genai
    finally:
        if not present:
            del sys.modules["openvino_telemetry"]
    return openvino_genai
