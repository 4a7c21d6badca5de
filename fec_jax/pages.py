"""Large memory pages for what trains on a CPU."""

import os
import platform
import sys

TUNABLES = "GLIBC_TUNABLES"
LARGE_PAGES = "glibc.malloc.hugetlb=1"


def restart_with_large_pages() -> None:
    """Starts this command anew, as the same process, with a memory allocator that asks Linux for pages of 2 MiB.

    A step on a CPU asks for its memory anew every time; in pages of 4 KiB that took a third of a step of 16 photos of
    64 px on one machine, 4 % on another (experiments/bench). glibc reads the wish once, at a program's start. Nothing
    happens where `GLIBC_TUNABLES` is set, were it to nothing, or where the C library is another.
    """
    if TUNABLES in os.environ or platform.libc_ver()[0] != "glibc":
        return
    os.environ[TUNABLES] = LARGE_PAGES
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
