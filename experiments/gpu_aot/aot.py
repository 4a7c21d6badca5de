"""Training steps through the XLA:GPU compiler, for an H100 that is not here: compiled, never run.

python experiments/gpu_aot/aot.py --configs benchmark,hq1024 --px 32 256 1024

Makes an environment of its own first (Python 3.12, 5 GB, in ~/.cache unless `--env` says otherwise); needs no GPU. Each
phase is compiled in a process of its own. Writes results.json and table.md; rows that are there already are kept,
unless `--force` is given. A phase that does not compile gets a row with its error.
"""

import argparse
import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fec_jax.io.atomic import write_whole

ROOT = Path(__file__).resolve().parents[2]
ENV = Path("~/.cache/fec_jax/gpu_aot").expanduser()
PACKAGES = ("jax[cuda13]==0.11.2",)
CONFIGS = {
    "benchmark": "experiments.gpu_aot.benchmark",
    "hq1024": "configs.hq1024",
    "hq1024_paper": "configs.hq1024_paper",
    "portraits256": "configs.portraits256",
}
KEY = ("version", "config", "resolution")
QUIET = {"JAX_PLATFORMS": "cpu", "JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
COLUMNS = (
    "version", "config", "resolution", "program", "batch", "stablehlo_ops", "all_reduces", "fusions", "convolutions",
    "transposes", "conversions", "temporaries_gib", "arguments_gib", "accessed_gb", "estimate_accessed_gb", "compile_s",
    "compile_cpu_s",
)  # fmt: skip


def environment(folder: Path) -> Path:
    """The Python of the environment in `folder`, which is made if it is not there whole."""
    python, done = folder / "bin/python", folder / ".installed"
    if done.exists() and done.read_text() == repr(PACKAGES):
        return python
    interpreter = shutil.which("python3.12")
    if interpreter is None:
        raise SystemExit("python3.12 is not on the PATH: the environment that compiles for GPUs needs it")
    subprocess.run([interpreter, "-m", "venv", "--clear", str(folder)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "-qq", *PACKAGES, "-e", str(ROOT)], check=True)
    done.write_text(repr(PACKAGES))
    return python


def compile_rows(python: Path, version: str, config: str, px: int) -> list[dict[str, Any]]:
    """Rows of results: what `compile_phase` found for each program, or the last line of its error."""
    key = dict(zip(KEY, (version, config, px), strict=True))
    environment = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "JAX_COMPILATION_CACHE_DIR")}
    done = subprocess.run(
        [str(python), "-m", "experiments.gpu_aot.compile_phase", CONFIGS[config], str(px)],
        cwd=ROOT, capture_output=True, text=True, check=False, env=environment | QUIET | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return [key | {"error": next((line for line in reversed(lines) if "Error" in line), lines[-1])[:2000]}]
    return [key | row for row in json.loads(done.stdout.splitlines()[-1])]


def resolutions(config: str) -> list[int]:
    """The resolutions a config trains at, from small to large."""
    values = importlib.import_module(CONFIGS[config]).get_config()
    return sorted(int(name.removeprefix("px")) for name in values.schedule)


def table(rows: list[dict[str, Any]]) -> str:
    """The rows that compiled, as Markdown."""
    cells = [[str(row.get(name, "-")) for name in COLUMNS] for row in rows if "error" not in row]
    return "".join("| " + " | ".join(line) + " |\n" for line in [COLUMNS, ["---"] * len(COLUMNS), *cells])


def order(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["config"], row["resolution"], row["version"] != "before", row.get("program") != "step"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configs", default=",".join(CONFIGS))
    parser.add_argument("--px", type=int, nargs="*", help="only these resolutions")
    parser.add_argument("--version", default="now", help="what the rows call this version of the package")
    parser.add_argument("--env", type=Path, default=ENV, help="folder of the environment")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--force", action="store_true", help="compile everything again")
    args = parser.parse_args()
    python = environment(args.env)
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "results.json"
    rows = json.loads(path.read_text()) if path.exists() else []
    for config in args.configs.split(","):
        for px in resolutions(config):
            key = (args.version, config, px)
            old = [row for row in rows if tuple(row[name] for name in KEY) == key]
            whole = old and not any("error" in row for row in old)
            if (args.px and px not in args.px) or (whole and not args.force):
                continue
            new = compile_rows(python, *key)
            print(json.dumps(new), flush=True)
            rows = sorted([row for row in rows if row not in old] + new, key=order)
            write_whole(path, (json.dumps(rows, indent=1) + "\n").encode())
    write_whole(args.out / "table.md", table(rows).encode())
    print(table(rows))


if __name__ == "__main__":
    main()
