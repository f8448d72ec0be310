"""Memory that nothing holds goes back to the system."""

import sys

import pytest

from small_students import TRAINS
from stepdown.models.local import give_memory_back

pytestmark = TRAINS
MEGABYTE = 1 << 20


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems' allocators give it back themselves")
def test_what_the_allocator_keeps_of_freed_memory_is_given_back() -> None:
    import psutil
    import torch  # noqa: F401 what it takes itself is not in question

    def used() -> int:
        return int(psutil.Process().memory_full_info().uss)

    before = used()
    held = [bytearray(100_000) for _ in range(2_000)]
    last = bytearray(100_000)  # above them all, so that nothing is given back from the end of the heap
    filled = used() - before
    del held
    kept = used() - before
    assert filled > 150 * MEGABYTE and kept > 100 * MEGABYTE and last
    give_memory_back()
    assert used() - before < kept - 100 * MEGABYTE
