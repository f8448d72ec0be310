"""Every room can be the first that is imported: no circle hides behind what happened to be loaded before."""

import subprocess
import sys

import pytest

from places import ROOT

# In a process of its own: other tests keep the classes of the modules that they have loaded.
EACH_FIRST = """
import importlib, sys
for name in sys.argv[1:]:
    for loaded in [one for one in sys.modules if one.split(".")[0] == "stepdown"]:
        del sys.modules[loaded]
    try:
        importlib.import_module(name)
    except Exception as error:
        print(name, error)
"""


@pytest.mark.slow
def test_every_room_can_be_imported_first() -> None:
    source = ROOT / "src"
    names = [f"stepdown.{path.parent.name}" for path in source.glob("stepdown/*/__init__.py")]
    assert len(names) > 12
    done = subprocess.run([sys.executable, "-c", EACH_FIRST, *names], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
