"""Parts of SVG pictures: everything that comes from outside is escaped, colours are classes of the page's style."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from markupsafe import Markup, escape

from airflow_provider_omics.report.figures import duration, ticks

WIDTH = 960
"""Width of every picture, in its own units; a page scales it."""
LEFT, RIGHT = 210.0, WIDTH - 90.0
"""Ends of the time axis; labels are before them, values behind."""


def place(seconds: float, span: float) -> float:
    """Return where a time is on an axis of so many seconds."""
    return LEFT + (RIGHT - LEFT) * seconds / span


def picture(height: float, label: str, parts: Iterable[str], *, is_stretched: bool = False) -> Markup:
    """Return a whole picture.

    :param label: says in words what it shows, to those who do not see it.
    :param parts: of SVG, escaped.
    :param is_stretched: whether its width and its height are scaled on their own.
    """
    opening = Markup('<svg viewBox="0 0 {} {}"{} role="img" aria-label="{}"><title>{}</title>')
    stretched = Markup(' preserveAspectRatio="none"') if is_stretched else ""
    content = Markup("").join(map(Markup, parts))
    return opening.format(WIDTH, _number(height), stretched, label, label) + content + Markup("</svg>")


def rect(kind: str, x: float, y: float, width: float, height: float, title: str = "") -> str:
    """Return a box.

    :param kind: its class.
    :param title: what is said when the pointer rests on it.
    """
    box = f'<rect class="{kind}" x="{_number(x)}" y="{_number(y)}" width="{_number(width)}" height="{_number(height)}"'
    return f"{box}><title>{escape(title)}</title></rect>" if title else f"{box}/>"


def line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    """Return a line."""
    places = f'x1="{_number(x1)}" y1="{_number(y1)}" x2="{_number(x2)}" y2="{_number(y2)}"'
    return f'<line class="{kind}" {places}/>'


def text(kind: str, x: float, y: float, words: str, title: str = "") -> str:
    """Return words; the class says how they are aligned."""
    said = f"<title>{escape(title)}</title>" if title and title != words else ""
    return f'<text class="{kind}" x="{_number(x)}" y="{_number(y)}">{said}{escape(words)}</text>'


def path(kind: str, points: Iterable[tuple[float, float]], title: str = "") -> str:
    """Return an area, closed from its last point to its first."""
    places = "L".join(f"{_number(x)} {_number(y)}" for x, y in points)
    return f'<path class="{kind}" d="M{places}Z"><title>{escape(title)}</title></path>'


def time_axis(first: float, last: float, top: float, bottom: float) -> Iterator[str]:
    """Yield the lines and words of a time axis below a picture.

    :param first: seconds at its left end, as ``last`` is at its right one.
    """
    for seconds in ticks(first, last):
        x = place(seconds - first, last - first)
        yield line("grid", x, top, x, bottom)
        yield text("tick", x, bottom + 16, duration(seconds) if seconds else "0")


def _number(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
