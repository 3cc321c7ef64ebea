"""Memory that a burst of requests has needed goes back to the system."""

import subprocess
import sys

from project import PROJECT_DIR

# Blocks that are still in use lie between those that are not, as after real requests.
BURST = """
import threading
import psutil
from web.spare_memory import KEPT_BYTES, SpareMemory

def resident():
    return psutil.Process().memory_info().rss

def burst(kept):
    blocks = [bytearray(100_000) for _ in range(500)]
    kept.append(bytearray(100))
    kept.append(blocks[-1])
    filled.wait()

spare, before, kept = SpareMemory(), resident(), []
filled = threading.Barrier(8)
threads = [threading.Thread(target=burst, args=[kept]) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert resident() - before > 2 * KEPT_BYTES
spare.give_back()
print(resident() - before)
"""


def test_what_a_burst_has_needed_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", BURST], cwd=PROJECT_DIR, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 64 * 1024 * 1024
