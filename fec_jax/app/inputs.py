"""What the browser sends is taken as bytes: no component opens a picture, or follows an address, by itself."""

from pathlib import Path
from typing import Any
from unittest import mock

import gradio as gr
from gradio import component_meta
from gradio_client.utils import is_http_url_like

KEPT = 4
"""Layers that a page has sent ahead of an event; older ones are dropped."""


class _NoAddresses:
    """Of a component: a file that the browser uploaded, never an address to fetch one from."""

    async def async_move_resource_to_block_cache(self, url_or_file_path: Any) -> Any:
        """As Gradio's, but an address is refused."""
        if is_http_url_like(str(url_or_file_path)):
            raise gr.Error("a photo has to be uploaded; addresses are not followed", print_exception=False)
        return await super().async_move_resource_to_block_cache(url_or_file_path)  # pyright: ignore


# Gradio writes a stub beside the source of each component class as it is imported: not into this package.
with mock.patch.object(component_meta, "create_or_modify_pyi"):

    class PhotoInput(_NoAddresses, gr.Image):
        """The event gets the path of the uploaded file, as it came, or None."""

        is_template = True

        def get_block_name(self) -> str:
            """The name of the browser's part."""
            return "image"

        def preprocess(self, payload: Any) -> str | None:
            """The path of the uploaded file."""
            return None if payload is None else payload.path

    class BrushInput(_NoAddresses, gr.ImageEditor):
        """The event gets the bytes of the brush's layer, a picture with alpha, or None; and no other picture."""

        is_template = True

        def get_block_name(self) -> str:
            """The name of the browser's part."""
            return "imageeditor"

        def preprocess(self, payload: Any) -> bytes | None:  # pyright: ignore[reportIncompatibleMethodOverride]
            """The layer, wherever the browser put it."""
            if payload is None:
                return None
            if payload.id is not None:
                sent = self.blob_storage.pop(payload.id, None)
                return next((layer for layer in sent.layers if layer), None) if sent else None
            return Path(payload.layers[0].path).read_bytes() if payload.layers else None

        def accept_blobs(self, data: Any) -> None:
            """One picture that the browser sends ahead of an event: the layer is kept, the others are not needed."""
            kind, index, name = (data.data[key] for key in ("type", "index", "id"))
            if kind == "layer" and str(index) == "0" and len(str(name)) <= 64:
                super().accept_blobs(data)
                while len(self.blob_storage) > KEPT:
                    del self.blob_storage[next(iter(self.blob_storage))]

        accept_blobs._is_server_fn = True  # pyright: ignore[reportFunctionMemberAccess]
