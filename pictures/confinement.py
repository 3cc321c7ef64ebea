"""Takes from a decoding process every right that decoding does not need, as far as the system lets it.

Its memory and files are limited everywhere. Where libseccomp is installed, the kernel also refuses it all system calls
but those that a decoder makes: it can compute, get memory, start threads, and talk on its socket. So it can open
nothing, connect to nothing, start no program and send no signal, whatever code a picture makes it run.
"""

import ctypes
import errno
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

# From linux/prctl.h.
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
# From linux/sched.h.
_CLONE_THREAD = 0x00010000
_SYSTEM_CALLS = (
    # Its socket, and standard output and error, which lead nowhere.
    *("read", "readv", "recvfrom", "recvmsg", "write", "writev", "sendto", "sendmsg", "poll", "ppoll", "close"),
    *("mmap", "mremap", "munmap", "mprotect", "madvise", "brk"),
    *("clock_gettime", "clock_nanosleep", "gettimeofday", "setitimer", "getrandom", "getpid", "gettid"),
    # Threads, and how decoders decide on their number.
    *("futex", "set_robust_list", "rseq", "sched_getaffinity", "sched_yield", "exit", "exit_group"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall"),
)


class Confinement:
    """What can be taken from a process here; made before the fork, since it reads libraries."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None)
        self._load_filter = _system_call_filter()
        if self._load_filter and not _succeeds(self._load_filter):
            self._load_filter = None

    @property
    def filters_system_calls(self) -> bool:
        """Whether the kernel refuses a confined process what decoding does not need."""
        return self._load_filter is not None

    def confine(self, socket_file: int, memory_bytes: int, niceness: int) -> None:
        """Confine this process, for good.

        Args:
            socket_file: the number of the only file that stays open besides 0, 1 and 2.
            memory_bytes: address space on top of what the process has now.
            niceness: added to the process's own.
        """
        self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        self._libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        os.nice(niceness)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        memory_bytes += pages * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        # Standard input, output and error lead nowhere; nothing else is open, and nothing can be opened.
        os.closerange(3, socket_file)
        os.closerange(socket_file + 1, 1024)
        for kind in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE):
            resource.setrlimit(kind, (0, 0))
        if self._load_filter:
            self._load_filter()


def fork(action: Callable[[], object]) -> int:
    """Do something in a child process, which ends then: with status 0, or 1 after an error. Return its process id."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            action()
            status = 0
        finally:
            os._exit(status)  # without a way back into what its parent does
    return pid


def _system_call_filter() -> Callable[[], None] | None:
    """Return what loads the filter into the kernel; None where libseccomp is missing."""
    try:
        import pyseccomp
    except (ImportError, RuntimeError, OSError):
        return None
    refuse = pyseccomp.ERRNO(errno.EPERM)
    rules = pyseccomp.SyscallFilter(refuse)
    for name in _SYSTEM_CALLS:
        rules.add_rule(pyseccomp.ALLOW, name)
    # A thread, but no process. The arguments of `clone3` cannot be seen by a filter; without it, libc takes `clone`.
    rules.add_rule(pyseccomp.ALLOW, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, _CLONE_THREAD, _CLONE_THREAD))
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    load: Callable[[], None] = rules.load
    return load


def _succeeds(action: Callable[[], object]) -> bool:
    return os.waitpid(fork(action), 0)[1] == 0
