"""How results look in a notebook: a picture with its labels and bars, a heat map with thumbnails."""

from __future__ import annotations

import base64
import html
import io
import os
import typing

import numpy as np

if typing.TYPE_CHECKING:
    from ._diptych import Classification
    from ._results import Classifications, Similarity

_MOST_CELLS = 2500  # of a heat map: more is a matter for a file
_MOST_PICTURES = 50
_PLAIN = "background:transparent"  # notebooks stripe the rows of tables
_HEAD = "padding:4px;font-weight:normal;text-align:center"


def _thumbnail(picture: typing.Any, side: int) -> str | None:
    """A data address of a small copy, or nothing where Pillow is missing or the picture cannot be shown."""
    try:
        import PIL.Image
    except ImportError:
        return None
    try:
        if isinstance(picture, (str, os.PathLike)):
            with PIL.Image.open(picture) as opened:
                image = opened.convert("RGB")
        elif isinstance(picture, (bytes, bytearray, memoryview)):
            with PIL.Image.open(io.BytesIO(picture)) as opened:
                image = opened.convert("RGB")
        elif isinstance(picture, PIL.Image.Image):
            image = picture.convert("RGB")
        else:
            image = PIL.Image.fromarray(np.asarray(picture)).convert("RGB")
    except (OSError, ValueError, TypeError):
        return None
    image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _name(picture: typing.Any) -> str:
    if isinstance(picture, (str, os.PathLike)):
        return os.path.basename(os.fspath(picture))
    return type(picture).__name__


def _image(picture: typing.Any, side: int) -> str:
    address = _thumbnail(picture, side)
    name = html.escape(_name(picture), quote=True)
    if address is None:
        return f"<span>{name}</span>"
    return f'<img src="{address}" alt="{name}" title="{name}" style="display:block;margin:0 auto;border-radius:4px">'


def classification(result: Classification) -> str:
    rows = []
    for p in result.predictions:
        width = max(0.0, min(100.0, 100 * p.probability))
        rows.append(
            f'<tr style="{_PLAIN}"><td style="text-align:right;padding:2px 8px;white-space:nowrap">'
            f"{html.escape(p.label)}</td>"
            '<td style="width:220px;padding:2px 0"><div style="background:rgba(128,128,128,.18);border-radius:3px">'
            f'<div style="width:{width:.1f}%;height:14px;background:#4878cf;border-radius:3px"></div></div></td>'
            '<td style="text-align:right;padding:2px 8px;font-variant-numeric:tabular-nums">'
            f"{100 * p.probability:.1f} %</td></tr>"
        )
    verdict = ""
    if result.rejected:
        verdict = '<div style="padding:2px 8px;color:#b04040">probably none of these labels</div>'
    picture = "" if result.picture is None else _image(result.picture, 160)
    return (
        '<div style="display:flex;gap:12px;align-items:center;margin:6px 0">'
        f'<div style="min-width:160px">{picture}</div><div>{verdict}'
        f'<table style="border-collapse:collapse;margin:0">{"".join(rows)}</table></div></div>'
    )


def classifications(results: Classifications) -> str:
    more = len(results) - _MOST_PICTURES
    note = f"<div>and {more} more</div>" if more > 0 else ""
    return "".join(classification(one) for one in results[:_MOST_PICTURES]) + note


# From dark blue over green to yellow: viridis, at five of its points.
_COLORS = np.array([[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]], dtype=float)


def _color(share: float) -> str:
    at = share * (len(_COLORS) - 1)
    low = min(int(at), len(_COLORS) - 2)
    rgb = _COLORS[low] + (at - low) * (_COLORS[low + 1] - _COLORS[low])
    ink = "#000" if rgb @ [0.299, 0.587, 0.114] > 140 else "#fff"
    return f"background:rgb({rgb[0]:.0f},{rgb[1]:.0f},{rgb[2]:.0f});color:{ink}"


def similarity(result: Similarity) -> str:
    if result.matrix.size > _MOST_CELLS:
        return f"<pre>{html.escape(repr(result))}</pre>"
    low, high = float(np.min(result.matrix)), float(np.max(result.matrix))
    span = high - low if high > low else 1.0
    head = "<th></th>"
    for i, column in enumerate(result.columns):
        inside = _image(column, 64) if i < result.pictures else html.escape(str(column))
        head += f'<th style="{_HEAD};min-width:72px;max-width:96px;vertical-align:bottom">{inside}</th>'
    body = ""
    for row, values in zip(result.rows, result.matrix):
        cells = "".join(
            f'<td style="{_color((float(v) - low) / span)};text-align:center;padding:8px">{v:.2f}</td>' for v in values
        )
        body += f'<tr style="{_PLAIN}"><th style="{_HEAD}">{_image(row, 64)}</th>{cells}</tr>'
    return (
        '<table style="border-collapse:separate;border-spacing:2px">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
