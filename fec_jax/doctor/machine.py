"""This machine: versions, missing packages, devices, caches, room on the disk."""

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

import fec_jax
from fec_jax.doctor.findings import Finding
from fec_jax.types import UserError, one_line

PACKAGE = "fec-jax"
FREE_GB = 2.0
EXTRAS = {
    "eval": "`fec evaluate`, LPIPS while training",
    "photos": "HEIC photos",
    "app": "`fec app`",
    "onnx": "`fec export onnx`",
}
_LISTED = ("jax", "jaxlib", "flax", "optax", "numpy", "pillow")


def examine_machine() -> list[Finding]:
    """What stands in the way of `fec` here."""
    return [*_packages(), *_devices(), *_shipped(), *_room()]


def _packages() -> Iterator[Finding]:
    versions = ", ".join(f"{name} {found}" for name in _LISTED if (found := _version(name)))
    yield Finding(f"fec_jax {fec_jax.__version__}, Python {platform.python_version()}, {versions}")
    try:
        texts = importlib.metadata.requires(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        yield Finding(f"{PACKAGE} is not installed, only its folder is on Python's path", "pip install -e .")
        return
    for extra, lacks in missing(texts).items():
        if not extra:
            yield Finding(f"packages are missing or too old or new: {'; '.join(lacks)}", "pip install -e .")
        elif extra in EXTRAS:
            yield Finding(f"without the extra {extra} ({EXTRAS[extra]}): pip install -e '.[{extra}]'")


def missing(requirements: list[str]) -> dict[str, list[str]]:
    """By extra ("" for what is always needed): requirements that are not met, with the version that is there.

    requirements   as in a package's metadata: `pillow-heif<2,>=1.0; extra == "photos"`
    """
    extras = ["", *EXTRAS]
    found: dict[str, list[str]] = {}
    for text in requirements:
        try:
            needed = Requirement(text)
        except InvalidRequirement:
            continue
        extra = next((e for e in extras if needed.marker is None or needed.marker.evaluate({"extra": e})), None)
        version = _version(needed.name)
        if extra is None or (version and needed.specifier.contains(version, prereleases=True)):
            continue
        found.setdefault(extra, []).append(f"{needed.name}{needed.specifier} (there is {version or 'none'})")
    return found


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _devices() -> Iterator[Finding]:
    import jax

    try:
        devices = jax.devices()
    except RuntimeError as error:
        text = one_line(error)[:200]
        yield Finding(f"JAX finds no device ({text})", "unset JAX_PLATFORMS, or fix the driver; see docs/training.md")
        return
    kinds = sorted({device.device_kind for device in devices})
    yield Finding(f"{len(devices)} {devices[0].platform} device(s): {', '.join(kinds)}; {os.cpu_count()} cores")
    if devices[0].platform == "cpu" and _has_gpu():
        advice = "pip install -e '.[cuda]', and see that JAX_PLATFORMS is not cpu"
        yield Finding("there is an NVIDIA GPU, and JAX does not use it", advice)


def _has_gpu() -> bool:
    return any(Path("/dev").glob("nvidia[0-9]*"))


def _shipped() -> Iterator[Finding]:
    from fec_jax.weights.shipped import SHIPPED, load_shipped

    for name in SHIPPED:
        try:
            meta = load_shipped(name).meta
        except UserError as error:
            yield Finding("the shipped weights cannot be used", str(error))
        else:
            yield Finding(f"shipped weights: {name}, {meta.resolution_px} px, whole")


def _room() -> Iterator[Finding]:
    import jax

    from fec_jax.train.compiling import FOLDER

    cache = getattr(jax.config, "jax_compilation_cache_dir", None)
    own = None if jax.default_backend() == "cpu" else FOLDER  # `fec train` takes it on accelerators
    if cache or own:
        yield Finding(f"compiled programs are kept in {cache or own}")
    else:
        yield Finding("compiled programs are not kept: with JAX_COMPILATION_CACHE_DIR=FOLDER starts get faster")
    if cache and "://" not in str(cache) and Path(cache).exists() and not os.access(cache, os.W_OK):
        yield Finding(f"{cache} cannot be written", "change its permissions, or set JAX_COMPILATION_CACHE_DIR")
    for what, folder in (("here", Path.cwd()), ("for temporary files", Path(os.environ.get("TMPDIR", "/tmp")))):
        if not folder.is_dir():
            continue
        free = shutil.disk_usage(folder).free / 1e9
        if free < FREE_GB:
            yield Finding(f"only {free:.1f} GB are free {what} ({folder})", "make room: checkpoints and data need it")
        else:
            yield Finding(f"{free:.0f} GB are free {what} ({folder})")
