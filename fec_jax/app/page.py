"""The page: what is where, and which event each control has."""

from collections.abc import Callable
from importlib import resources
from typing import Any

import gradio as gr

from fec_jax.app import actions
from fec_jax.app.desk import Desk
from fec_jax.app.events import EVERY, Events, careful
from fec_jax.app.inputs import BrushInput, PhotoInput
from fec_jax.app.opened import CANVAS

TITLE = "Face completion"
INTRO = (
    "Brush over part of a face, choose how the new part should look, fill. "
    "The result is invented; photos stay on this computer."
)
FONTS = ("system-ui", "-apple-system", "Segoe UI", "Helvetica Neue", "Arial", "sans-serif")
MONO = ("ui-monospace", "Menlo", "Consolas", "monospace")
HEIGHT_PX = 400
"""Of the photo and of the result, so that all of the page is in view at 1280 x 900."""
LABELS = {"mouth": "Mouth", "eyes": "Eyes", "nose": "Nose", "lower-face": "Lower face", "face": "Whole face"}


def theme() -> gr.themes.Base:
    """Fonts of the reader's own system: nothing is fetched."""
    return gr.themes.Soft(
        primary_hue="indigo", secondary_hue="indigo", neutral_hue="slate", font=FONTS, font_mono=MONO, radius_size="md"
    )


def css() -> str:
    """The page's own style sheet."""
    return (resources.files("fec_jax.app") / "page.css").read_text()


def build(desk: Desk) -> gr.Blocks:
    """The page of `desk`, not yet served. Without `delete_cache`, which would delete files that are in view."""
    events, names = Events(desk), desk.completer.attribute_names
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as page:
        gr.HTML(f"<h1>{TITLE}</h1><p>{INTRO}</p>", elem_id="intro")
        drop = PhotoInput(
            label="Photo",
            type="filepath",
            sources=["upload", "clipboard"],
            height=HEIGHT_PX + 120,
            elem_id="drop",
            placeholder="Drop a photo of a face here, or click to choose one",
        )
        with gr.Column(visible=False, elem_id="stage") as stage:
            with gr.Row(equal_height=True, elem_id="pictures"):
                editor = _editor()
                after = gr.ImageSlider(
                    label="Before and after",
                    height=HEIGHT_PX,
                    max_height=HEIGHT_PX,
                    elem_id="after",
                    buttons=["fullscreen"],
                    interactive=False,
                )
            with gr.Row(elem_id="work"):
                with gr.Column(elem_id="controls"):
                    with gr.Row(elem_id="regions"):
                        parts = {name: gr.Button(LABELS[name], size="sm", min_width=60) for name in actions.REGIONS}
                        clear = gr.Button("Clear", size="sm", min_width=60, elem_id="clear")
                    faces = gr.Radio([], label="Faces", show_label=False, visible=False, elem_id="faces")
                    with gr.Group(elem_id="attributes"):
                        sliders = _sliders(names)
                    with gr.Row(elem_id="go"):
                        fill = gr.Button("Fill", variant="primary", size="md", elem_id="fill", scale=2, min_width=120)
                        reread = gr.Button(
                            "Reset sliders", size="md", elem_id="reread", visible=bool(names), min_width=120
                        )
                        another = gr.Button("Another photo", size="md", elem_id="another", min_width=120)
                with gr.Column(elem_id="results"):
                    status = gr.Markdown("", elem_id="status")
                    with gr.Row(elem_id="keep"):
                        download = gr.DownloadButton(
                            "Download PNG", size="md", interactive=False, elem_id="download", min_width=120
                        )
                        which = gr.Dropdown(
                            [EVERY, *((actions.spoken(n), n) for n in names)],
                            value=EVERY[1],
                            container=False,
                            visible=bool(names),
                            elem_id="which",
                            min_width=130,
                        )
                        vary = gr.Button("Contact sheet", size="md", visible=bool(names), elem_id="vary", min_width=120)
                    sheet = gr.Gallery(
                        label="Contact sheet",
                        show_label=False,
                        columns=4,
                        height="auto",
                        allow_preview=False,
                        buttons=[],
                        interactive=False,
                        visible=False,
                        elem_id="sheet",
                    )

        answer = [status, after, download]
        everything = [editor, faces, status, after, download, sheet, *sliders]
        _on(drop.input, events.open, [drop], [drop, stage, *everything], trigger_mode="multiple")
        _on(faces.input, events.choose, [faces], everything)
        _on(another.click, events.close, [], [drop, stage])
        for name, button in parts.items():
            _on(button.click, events.region(name), [editor], [editor])
        _on(clear.click, events.clear, [], [editor])
        _on(reread.click, events.reread, [], sliders)
        _on(fill.click, events.fill, [editor, *sliders], answer)
        _on(vary.click, events.vary, [editor, which, *sliders], [sheet])
        _on(sheet.select, events.pick, [], [*answer, *sliders])
        for slider in sliders:
            _on(slider.release, events.slide, sliders, answer, trigger_mode="always_last")
        page.unload(events.leave)
    page.queue(api_open=False, max_size=32)
    return page


def _on(trigger: Any, event: Callable[..., Any], inputs: list[Any], outputs: list[Any], **options: Any) -> None:
    """One event; all of them wait for one another, so that memory is bounded."""
    trigger(
        careful(event, len(outputs)),
        inputs,
        outputs,
        show_progress="minimal",
        api_visibility="private",
        concurrency_limit=1,
        concurrency_id="network",
        **options,
    )


def _editor() -> BrushInput:
    colour = "#{:02x}{:02x}{:02x}".format(*actions.BRUSH)
    return BrushInput(
        label="Brush over what should be filled",
        type="filepath",
        format="png",
        sources=(),
        transforms=(),
        layers=False,
        brush=gr.Brush(default_size=48, colors=[(colour, actions.OPACITY)], color_mode="fixed"),
        eraser=gr.Eraser(default_size=48),
        height=HEIGHT_PX,
        canvas_size=CANVAS,
        fixed_canvas=True,
        buttons=[],
        elem_id="editor",
    )


def _sliders(names: tuple[str, ...]) -> list[gr.Slider]:
    """One per attribute, in two columns."""
    sliders = []
    for i in range(0, len(names), 2):
        with gr.Row(elem_classes="pair"):
            sliders += [
                gr.Slider(
                    0, 1, value=0, step=0.01, label=actions.spoken(n), elem_id=f"set-{n}", buttons=[], min_width=160
                )
                for n in names[i : i + 2]
            ]
    return sliders
