"""Minutes of compiling: what is said of them, and that they come once."""

import logging
import time

import jax
import pytest

from fec_jax.train import compiling
from fec_jax.types import UserError


@pytest.fixture
def settings():
    """JAX's settings, put back after the test."""
    names = ("jax_compilation_cache_dir", "jax_compilation_cache_max_size")
    before = {name: getattr(jax.config, name) for name in names}
    yield lambda: tuple(getattr(jax.config, name) for name in names)
    for name, value in before.items():
        jax.config.update(name, value)


def test_the_log_goes_on(monkeypatch, caplog):
    """Broken: a run says nothing for minutes, and looks as if it hung."""
    monkeypatch.setattr(compiling, "SAY_EVERY_S", 0.05)
    with caplog.at_level(logging.INFO, "fec_jax"), compiling.announced("8 px"):
        time.sleep(0.3)
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == "compiling 8 px ..."
    assert said[1].startswith("still compiling 8 px, for ")
    assert said[-1].startswith("compiled 8 px in ")
    assert "kept" not in said[-1]


def test_it_says_what_was_kept(caplog):
    """Broken: nobody can tell whether programs are kept, or each run compiles anew."""
    with caplog.at_level(logging.INFO, "fec_jax"), compiling.announced("8 px"):
        jax.monitoring.record_event("/jax/compilation_cache/cache_hits")
    assert caplog.records[-1].getMessage().endswith("(it was kept from an earlier time)")


def test_an_error_is_not_called_compiled(caplog):
    """Broken: the log claims a phase that did not compile, or the thread that speaks goes on for ever."""
    with caplog.at_level(logging.INFO, "fec_jax"), pytest.raises(ValueError, match="no"), compiling.announced("8 px"):
        raise ValueError("no")
    assert [record.getMessage() for record in caplog.records] == ["compiling 8 px ..."]


def test_the_memory_of_a_compiled_program():
    """Broken: the log says less than a device needs, or counts what was donated twice."""
    shape = jax.ShapeDtypeStruct((2**18,), "float32")
    two = jax.jit(lambda x: x + 1, donate_argnums=0).lower(shape).compile()
    assert compiling.memory_mib(two) == pytest.approx(1, abs=0.1)
    assert compiling.memory_mib(jax.jit(lambda x: (x + 1, x - 1)).lower(shape).compile()) == pytest.approx(3, abs=0.1)
    assert compiling.memory_mib(lambda x: x) is None  # what `pmap` gives


def test_on_accelerators_programs_are_kept(monkeypatch, settings, tmp_path):
    """Broken: every start on a GPU compiles for minutes, or the folder grows without end."""
    jax.config.update("jax_compilation_cache_dir", None)
    monkeypatch.setattr(compiling, "FOLDER", tmp_path / "new/programs")
    compiling.keep_programs()  # on CPUs nothing is kept unless asked for
    assert settings()[0] is None
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    compiling.keep_programs()
    assert settings() == (str(tmp_path / "new/programs"), compiling.MOST_BYTES)
    assert (tmp_path / "new/programs").is_dir()


def test_another_folder(monkeypatch, settings, tmp_path):
    """Broken: the flag or JAX's own variable is passed over."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "variable"))
    compiling.keep_programs()
    assert settings()[0] == str(tmp_path / "variable")
    compiling.keep_programs(str(tmp_path / "flag"))
    assert settings()[0] == str(tmp_path / "flag")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot be kept in .*file/x .*--compilation_cache"):
        compiling.keep_programs(str(tmp_path / "file/x"))
