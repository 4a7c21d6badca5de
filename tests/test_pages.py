"""A training gets large pages without being asked to, and nobody's own settings are touched."""

import os
import platform
import subprocess
import sys

import pytest

from fec_jax import pages

PROGRAM = """
import os, sys
from fec_jax import pages
print(os.getpid(), flush=True)
pages.restart_with_large_pages()
print(os.environ.get("GLIBC_TUNABLES"), *sys.argv[1:])
"""


def printed(**environment):
    """Lines of a program with the arguments "a b" and "c"."""
    kept = {k: v for k, v in os.environ.items() if k != "GLIBC_TUNABLES"}
    command = [sys.executable, "-c", PROGRAM, "a b", "c"]
    done = subprocess.run(command, env=kept | environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's setting")
def test_the_command_is_started_once_more():
    """Broken: arguments get lost on the way, or the process is another one, which nobody's kill reaches."""
    first, second, last = printed()
    assert first == second
    assert last == f"{pages.LARGE_PAGES} a b c"


def test_own_settings_stay():
    """Broken: whoever sets GLIBC_TUNABLES, to nothing even, is overruled."""
    assert printed(GLIBC_TUNABLES="")[1:] == [" a b c"]
    assert printed(GLIBC_TUNABLES="glibc.malloc.check=0")[1:] == ["glibc.malloc.check=0 a b c"]
