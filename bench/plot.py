"""A drawing of shares: panels side by side, a row for each model, a bar for each engine. SVG by hand, so that
it follows the reader's light or dark scheme and needs no library."""

from dataclasses import dataclass
from xml.sax.saxutils import escape

LABELS, PANEL, GAP = 155, 260, 30  # widths: names of models, a panel, between panels
TOP, ROW, BAR, FOOT = 62, 38, 13, 40  # heights: above the rows, a row, a bar, below the rows
FIGURES = 90  # of a panel's width, on its right: tokens a second, ratio

STYLE = """
  text { font: 12px "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif; fill: #1f2328; }
  .ratio { font-weight: 600; }
  .title { font-weight: 600; font-size: 13px; }
  .small { font-size: 10.5px; fill: #59636e; }
  .grid { stroke: #d1d9e0; }
  .limit { stroke: #59636e; stroke-dasharray: 3 3; }
  .engine0 { fill: #0969da; }
  .engine1 { fill: #afb8c1; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .small { fill: #9198a1; }
    .grid { stroke: #30363d; }
    .limit { stroke: #9198a1; }
    .engine0 { fill: #4493f8; }
    .engine1 { fill: #59636e; }
  }
"""


@dataclass(frozen=True)
class Panel:
    title: str
    limit: str  # what 100 % is
    bars: dict  # model -> [(share, tokens a second)] of each engine
    ratios: dict  # model -> how many times the second engine's rate the first one's is


def text(x, y, content, kind="", anchor="start"):
    kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(content)}</text>'


def line(x, y1, y2, kind):
    return f'<line class="{kind}" x1="{x:.1f}" y1="{y1:.1f}" x2="{x:.1f}" y2="{y2:.1f}"/>'


def rate_text(rate):
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}"


def bars_of(panel, model, x, y, scale):
    """The bars of one model, the first engine's with its ratio to the second's."""
    bars = panel.bars.get(model, [])
    for engine, (share, rate) in enumerate(bars):
        top = y + engine * (BAR + 1)
        width = max(1.0, share * scale)
        yield f'<rect class="engine{engine}" x="{x}" y="{top}" width="{width:.1f}" height="{BAR}" rx="2"/>'
        yield text(x + PANEL - 38, top + BAR - 2.5, f"{rate_text(rate)}/s", "small" if engine else "", "end")
    if bars:
        yield text(x + PANEL, y + BAR - 2.5, f"\u00d7{panel.ratios[model]:.1f}", "ratio", "end")


def panel_parts(panel, models, x, bottom, most):
    """A panel whose axis ends at the share `most`."""
    scale = (PANEL - FIGURES) / most
    yield text(x, 44, panel.title, "title")
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        at = x + tick * scale
        yield line(at, TOP - 6, bottom, "limit" if tick == 1 else "grid")
        if tick in (0.0, 0.5, 1.0):
            yield text(at, bottom + 14, f"{100 * tick:.0f} %", "small", "middle")
    yield text(x, bottom + 29, panel.limit, "small")
    for i, model in enumerate(models):
        yield from bars_of(panel, model, x, TOP + i * ROW, scale)


def legend(engines):
    x = 0
    for i, engine in enumerate(engines):
        yield f'<rect class="engine{i}" x="{x}" y="4" width="12" height="12" rx="2"/>'
        yield text(x + 17, 14.5, engine)
        x += 34 + 8 * len(engine)
    yield text(
        x,
        14.5,
        "bars: share of the machine's limit; figures: tokens a second, and how many times the other engine's",
        "small",
    )


def svg(panels, models, engines):
    """The drawing as the text of a file. Shares above 1 (weights that stay in a cache) stretch the axes."""
    bottom = TOP + len(models) * ROW
    width, height = LABELS + len(panels) * (PANEL + GAP), bottom + FOOT
    shares = [share for panel in panels for bars in panel.bars.values() for share, _ in bars]
    most = max([1.0, *shares])
    parts = [*legend(engines)]
    parts += [text(0, TOP + i * ROW + BAR + 4, model) for i, model in enumerate(models)]
    for i, panel in enumerate(panels):
        parts += panel_parts(panel, models, LABELS + i * (PANEL + GAP), bottom, most)
    box = f'viewBox="-10 -6 {width + 20} {height + 12}" width="{width + 20}" height="{height + 12}"'
    title = "Decode and prefill rates of pellucid and llama.cpp as shares of what the machine can do"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img">'
    return "\n".join([head, f"<title>{title}</title>", f"<style>{STYLE}</style>", *parts, "</svg>", ""])
