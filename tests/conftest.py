"""For all tests: helper modules beside this file, and less compiling (most of the time the tests take)."""

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

# Before JAX is imported; programs the tests start get these too. Networks here are tiny: optimising their code costs
# more than it gains. The same programs are compiled again and again: in fresh processes, in fresh functions.
_cache = tempfile.TemporaryDirectory(prefix="fec-jax-compiled-")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", _cache.name)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
