"""What the benchmarks measure of processes."""

import os
import subprocess
import sys
import time

from benchmarks.processes import cpu_seconds, has_loaded, process_tree, resident_mib

# A process whose child computes, ends, and is waited for. The system counts in hundredths of a second, cut off.
PARENT = """
import subprocess, sys
subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.6: pass"])
print("done", flush=True)
sys.stdin.read()
"""


def test_the_processor_time_of_a_child_that_has_ended_counts() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        parent.stdout.readline()
        assert [process.pid for process in process_tree(parent.pid)] == [parent.pid]
        assert cpu_seconds([parent.pid]) >= 0.5
        parent.communicate()


def test_memory_counts_the_children_too() -> None:
    alone_mib = resident_mib(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        while resident_mib(child.pid) < 1:
            time.sleep(0.01)
        assert len(process_tree(os.getpid())) >= 2
        assert resident_mib(os.getpid()) > alone_mib
        child.communicate(b"\n")


def test_an_ended_process_takes_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert process_tree(process.pid) == []
    assert (cpu_seconds([process.pid]), resident_mib(process.pid)) == (0, 0)


def test_a_loaded_library_is_found() -> None:
    assert has_loaded(os.getpid(), "/libc")
    assert not has_loaded(os.getpid(), "/no-such-library")
