"""Every phase of the large configs through the TPU compiler, for v5e chips that are not here: compiled, never run.

python experiments/tpu_aot/aot.py --configs hq1024,hq512,hq256 --topologies 2x2,2x4 --out experiments/tpu_aot

Needs libtpu (extra `tpu`), and no TPU. Each phase is compiled in a process of its own. Writes results.json and
table.md; rows that are there already are kept, unless they hold an error or `--force` is given. A phase that does not
compile gets a row with its error.
"""

import argparse
import importlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fec_jax.io.atomic import write_whole

ROOT = Path(__file__).resolve().parents[2]
KEY = ("config", "topology", "resolution", "effort")
QUIET = {
    "JAX_PLATFORMS": "cpu",  # of the arrays that are at hand: the TPU is only compiled for
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_SKIP_MDS_QUERY": "1",  # libtpu would look for a TPU machine's metadata server, and log what it misses
    "TPU_ACCELERATOR_TYPE": "v5litepod-8",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_LOG_DIR": "disabled",
}
COLUMNS = (
    "config", "topology", "resolution", "batch_per_device", "gflop", "vs_estimate", "accessed_gb", "peak_gb",
    "memory_vs_estimate", "code_gb", "collectives", "all_reduced_mb", "bf16_convolutions", "compile_s",
)  # fmt: skip


def compile_row(config: str, topology: str, px: int, effort: float) -> dict[str, Any]:
    """A row of results: what `compile_phase` found, or the last line of its error."""
    key = dict(zip(KEY, (config, topology, px, effort), strict=True))
    environment = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "JAX_COMPILATION_CACHE_DIR")}
    done = subprocess.run(
        [sys.executable, "-m", "experiments.tpu_aot.compile_phase", config, topology, str(px), str(effort)],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env=environment | QUIET | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
    )  # fmt: skip
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return key | {"error": next((line for line in reversed(lines) if "Error" in line), lines[-1])[:2000]}
    return key | json.loads(done.stdout.splitlines()[-1])


def resolutions(config: str) -> list[int]:
    """The resolutions a config trains at, from small to large."""
    values = importlib.import_module(f"configs.{config}").get_config()
    return sorted(int(name.removeprefix("px")) for name in values.schedule)


def table(rows: list[dict[str, Any]]) -> str:
    """The rows that compiled, as Markdown; all-reduced arrays and MB: D's, then G's."""

    def cells(row: dict[str, Any]) -> list[str]:
        crossing = [a for a in row["all_reduces"] if a["arrays"]]
        shown = row | {
            "vs_estimate": f"{row['gflop'] / row['estimate_with_penalty_gflop']:.2f}",
            "memory_vs_estimate": f"{row['peak_gb'] / row['estimate_gb']:.2f}",
            "collectives": ", ".join(f"{n} {kind}" for kind, n in row["collectives"].items()),
            "all_reduced_mb": " + ".join(f"{a['mb']:.0f}" for a in crossing),
            "compile_s": "-" if row["compile_s"] is None else row["compile_s"],
            "bf16_convolutions": f"{row['convolutions_in_bfloat16']:.0%} of {row['convolutions']}",
        }
        return [str(shown[name]) for name in COLUMNS]

    lines = [COLUMNS, ["---"] * len(COLUMNS), *(cells(row) for row in rows if "error" not in row)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def order(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["effort"], row["config"], row["topology"], row["resolution"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configs", default="hq1024,hq512,hq256")
    parser.add_argument("--topologies", default="2x2,2x4", help="of v5e")
    parser.add_argument("--px", type=int, nargs="*", help="only these resolutions")
    parser.add_argument("--effort", type=float, default=0.0, help="of XLA's optimising, from -1 to 1; 0 is its default")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--force", action="store_true", help="compile everything again")
    args = parser.parse_args()
    if importlib.util.find_spec("libtpu") is None:
        raise SystemExit("libtpu, the TPU compiler, is not installed: pip install -e '.[tpu]' -c constraints.txt")
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "results.json"
    rows = json.loads(path.read_text()) if path.exists() else []
    for config in args.configs.split(","):
        for topology in args.topologies.split(","):
            for px in resolutions(config):
                key = (config, topology, px, args.effort)
                old = next((row for row in rows if tuple(row[name] for name in KEY) == key), None)
                if (args.px and px not in args.px) or (old and "error" not in old and not args.force):
                    continue
                rows = [row for row in rows if row is not old] + [compile_row(*key)]
                print(json.dumps(rows[-1]), flush=True)
                rows.sort(key=order)
                write_whole(path, (json.dumps(rows, indent=1) + "\n").encode())
    write_whole(args.out / "table.md", table(rows).encode())
    print(table(rows))


if __name__ == "__main__":
    main()
