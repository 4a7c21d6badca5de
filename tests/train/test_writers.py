"""Files of a run: whole or not there, and without lines of a future that was rolled back."""

import json
import logging

import numpy as np
import pytest
from PIL import Image
from tensorboardX.proto import event_pb2

from fec_jax.train import writers


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def metrics(tmp_path):
    opened = []

    def open_at(nimg):
        opened.append(writers.MetricsLog(tmp_path, nimg))
        return opened[-1]

    yield open_at
    for m in opened:
        m.close()


def test_a_line_is_on_disk_at_once(metrics):
    """Broken: a killed run loses the figures of its last minutes."""
    m = metrics(0)
    m.write(16, {"g_loss": 1.5, "phase": "fade 8 px"})
    assert lines(m.path) == [{"nimg": 16, "g_loss": 1.5, "phase": "fade 8 px"}]


def test_resuming_takes_out_what_will_be_written_again(metrics):
    """Broken: after a kill -9 the file has lines twice, or lacks some."""
    m = metrics(0)
    for nimg in (16, 32, 48):
        m.write(nimg, {"g_loss": nimg / 10})
    m.close()
    again = metrics(32)
    assert [line["nimg"] for line in lines(m.path)] == [16, 32]
    again.write(48, {"g_loss": 9.0})
    assert lines(m.path)[-1] == {"nimg": 48, "g_loss": 9.0}


@pytest.mark.parametrize("rubbish", ['{"nimg": 32, "g_lo', "\x00\x00", '{"loss": 1}', "7"])
def test_a_line_cut_off_is_taken_out(metrics, rubbish):
    """Broken: a run that was killed while writing does not start again, or leaves a broken file."""
    m = metrics(0)
    m.write(16, {"a": 1.0})
    m.close()
    with m.path.open("a") as file:
        file.write(rubbish)
    metrics(64).write(80, {"a": 2.0})
    assert lines(m.path) == [{"nimg": 16, "a": 1.0}, {"nimg": 80, "a": 2.0}]


def test_rewind_after_a_rollback(metrics):
    """Broken: lines of a stretch that was rolled back stay in the file."""
    m = metrics(0)
    for nimg in (16, 32, 48):
        m.write(nimg, {"a": 1.0})
    m.rewind(16)
    m.write(32, {"a": 2.0})
    assert lines(m.path) == [{"nimg": 16, "a": 1.0}, {"nimg": 32, "a": 2.0}]


def test_numbers_come_back_bit_for_bit(metrics):
    """Broken: two runs cannot be compared by their files."""
    values = {"third": 1 / 3, "small": float(np.float32(1e-30)), "long": 0.1 + 0.2}
    m = metrics(0)
    m.write(1, values)
    assert lines(m.path)[0] == {"nimg": 1, **values}


def test_events_are_written(metrics, tmp_path):
    """Broken: TensorBoard has nothing to show."""
    m = metrics(0)
    m.write(16, {"g_loss": 1.5, "phase": "a word"})
    m.close()
    (events,) = (tmp_path / "events").iterdir()
    assert b"g_loss" in events.read_bytes()


def test_events_of_a_stretch_that_was_rolled_back_are_left_out(metrics, tmp_path):
    """Broken: TensorBoard shows two values where a run rolled back, one of them of what no longer counts."""
    m = metrics(0)
    for nimg in (16, 32):
        m.write(nimg, {"g_loss": 1.5})
    m.rewind(16)
    m.write(32, {"g_loss": 1.0})
    m.close()
    files = sorted((tmp_path / "events").iterdir(), key=lambda path: int(path.suffix[1:]))
    assert len(files) == 2
    begun = [event_pb2.Event.FromString(record) for record in records_of(files[1])]
    assert [e.step for e in begun if e.session_log.status == event_pb2.SessionLog.START] == [17]


def records_of(path):
    """TFRecord: length, its checksum, the record, its checksum."""
    data, records = path.read_bytes(), []
    while data:
        length = int.from_bytes(data[:8], "little")
        records.append(data[12 : 12 + length])
        data = data[16 + length :]
    return records


def test_grid_is_a_readable_picture(tmp_path):
    """Broken: a run cannot be assessed by inspection: tiles lie elsewhere, are smoothed, or the file is cut off."""
    rows = np.zeros((2, 3, 4, 4, 3), np.uint8)
    rows[1, 2, 0, 0] = 200, 0, 0
    writers.write_grid(tmp_path / "grids/x.png", rows, ["real", "masked", "completed"], tile_px=64)
    with Image.open(tmp_path / "grids/x.png") as picture:
        sheet = np.asarray(picture)
    assert sheet.shape == (14 + 2 * 66 + 2, 3 * 66 + 2, 3)
    tile = sheet[14 + 2 + 66 : 14 + 66 + 66, 2 + 2 * 66 : 2 * 66 + 66]
    assert (tile[:16, :16] == (200, 0, 0)).all()
    assert not tile[16:].any()
    assert not tile[:16, 16:].any()
    assert [p.name for p in (tmp_path / "grids").iterdir()] == ["x.png"]
    assert (sheet[:14] < 128).any(), "there are titles"


def test_large_pictures_are_not_enlarged(tmp_path):
    """Broken: grids of high resolutions are huge, or fail."""
    writers.write_grid(tmp_path / "x.png", np.zeros((1, 1, 96, 96, 3), np.uint8), ["real"])
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.size == (96 + 4, 96 + 4 + 14)


def test_plain_lines_without_a_terminal(caplog, monkeypatch):
    """Broken: a log file is full of a progress bar's control characters, or empty."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    screen = writers.Screen(1000, 0)
    with caplog.at_level(logging.INFO), screen.shown():
        screen.step(16, "text")
        screen.line("%d px", 8)
    assert caplog.messages == ["8 px"]
