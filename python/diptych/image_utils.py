"""transformers.image_utils, as far as its CLIP examples use it. Needs Pillow."""

from __future__ import annotations

import base64
import io
import os
import typing
import urllib.request

if typing.TYPE_CHECKING:
    import PIL.Image

_MOST_BYTES = 1 << 28


def load_image(image: str | os.PathLike[str] | PIL.Image.Image, timeout: float | None = None) -> PIL.Image.Image:
    """A picture by its http(s) address, path or base64 text, turned as its EXIF orientation says, in RGB."""
    import PIL.Image
    import PIL.ImageOps

    if isinstance(image, PIL.Image.Image):
        opened: PIL.Image.Image = image
    else:
        opened = PIL.Image.open(_open(os.fspath(image), timeout))
    return PIL.ImageOps.exif_transpose(opened).convert("RGB")


def _open(name: str, timeout: float | None) -> str | io.BytesIO:
    if name.startswith(("http://", "https://")):
        with urllib.request.urlopen(name, timeout=60 if timeout is None else timeout) as reply:  # noqa: S310
            content: bytes = reply.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ValueError(f"{name}: more than {_MOST_BYTES >> 20} MB")
        return io.BytesIO(content)
    if os.path.isfile(name):
        return name
    try:
        return io.BytesIO(base64.b64decode(name.partition("base64,")[2] or name, validate=True))
    except ValueError:
        raise FileNotFoundError(f"{name}: neither an http(s) address nor a file nor base64") from None
