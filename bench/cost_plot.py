"""How cost grows: pictures, threads, batch. Runs the program and draws three small plots as one SVG.

    python bench/cost_plot.py build/diptych --pictures DIR --out docs/images/cost.svg [--model M]

DIR holds pictures; lists longer than it name them again. Seconds include the start of the program; memory is the
largest resident size that the system saw (Linux counts what is mapped of the model too). Rates of batches and threads
are the image tower's alone, from `diptych bench`. Python's standard library only.
"""
import argparse
import math
import os
import pathlib
import tempfile

from measuring import diptych_bench, measured

COUNTS = [1, 10, 100, 1000, 10000]
BATCHES = [1, 4, 16, 64, 256]


def embed(options, count, scratch):
    """-> (seconds, peak megabytes) of one run over `count` pictures."""
    files = sorted(p for p in pathlib.Path(options.pictures).iterdir() if p.is_file())
    listed = pathlib.Path(scratch, "list.txt")
    listed.write_text("".join(f"{files[i % len(files)]}\n" for i in range(count)))
    command = [options.program, "embed", "--files-from", str(listed), "--out", f"{scratch}/out.npy", "--model",
               options.model, "--threads", str(options.threads), "--progress", "none"]
    _, seconds, gigabytes = measured(command)
    return seconds, 1e3 * gigabytes


def rate(options, batch, threads):
    return diptych_bench(options.program, model=options.model, batch=batch, threads=threads,
                         seconds=0.5)["images_per_s"]


class Panel:
    """One plot, logarithmic in x; lines are (name, color, [(x, y)])."""

    WIDTH, HEIGHT, LEFT, TOP = 300, 240, 56, 34

    def __init__(self, title, unit, log_y=False):
        self.title, self.unit, self.log_y, self.lines = title, unit, log_y, []

    def svg(self, x0):
        points = [p for _, _, line in self.lines for p in line]
        lo_x, hi_x = (math.log10(f(p[0] for p in points)) for f in (min, max))
        top = max(p[1] for p in points)
        low = min(p[1] for p in points)
        scale = (lambda y: (math.log10(y) - math.log10(low)) / max(1e-9, math.log10(top) - math.log10(low))) \
            if self.log_y else (lambda y: y / (1.1 * top))
        w, h = self.WIDTH - self.LEFT - 16, self.HEIGHT - self.TOP - 44

        def at(x, y):
            return (x0 + self.LEFT + w * (math.log10(x) - lo_x) / max(1e-9, hi_x - lo_x),
                    self.TOP + h * (1 - scale(y)))
        out = [f'<text x="{x0 + self.LEFT}" y="18" class="t">{self.title}</text>',
               f'<path d="M{x0 + self.LEFT} {self.TOP}v{h}h{w}" class="a"/>']
        for x in sorted({p[0] for p in points}):
            out.append(f'<text x="{at(x, top)[0]:.1f}" y="{self.TOP + h + 16}" class="m">{x:,}</text>')
        for y in ([low, math.sqrt(low * top), top] if self.log_y else [0, top / 2, top]):
            place = at(points[0][0], y)[1] if y else self.TOP + h
            out.append(f'<text x="{x0 + self.LEFT - 6}" y="{place + 4:.1f}" class="e">{y:,.3g}</text>'
                       if y < 1000 else
                       f'<text x="{x0 + self.LEFT - 6}" y="{place + 4:.1f}" class="e">{y:,.0f}</text>')
        for row, (name, color, line) in enumerate(self.lines):
            path = " ".join(f"{'ML'[i > 0]}{at(*p)[0]:.1f} {at(*p)[1]:.1f}" for i, p in enumerate(line))
            out.append(f'<path d="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
            out += [f'<circle cx="{at(*p)[0]:.1f}" cy="{at(*p)[1]:.1f}" r="3" fill="{color}"/>' for p in line]
            place_y = self.TOP + (12 if self.log_y else h - 10 - 15 * row)
            out.append(f'<text x="{x0 + self.LEFT + 8}" y="{place_y}" style="fill:{color}">{name}</text>')
        out.append(f'<text x="{x0 + self.LEFT + w / 2}" y="{self.HEIGHT - 6}" class="m">{self.unit}</text>')
        return "\n".join(out)


def draw(panels):
    width = Panel.WIDTH * len(panels)
    style = ("text{font:12px sans-serif;fill:#333}.t{font-weight:bold}.m{text-anchor:middle}.e{text-anchor:end}"
             ".a{fill:none;stroke:#999}")
    body = "\n".join(panel.svg(i * Panel.WIDTH) for i, panel in enumerate(panels))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {Panel.HEIGHT}" width="{width}" '
            f'height="{Panel.HEIGHT}"><style>{style}</style><rect width="100%" height="100%" fill="#fff"/>\n'
            f'{body}\n</svg>\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--pictures", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        runs = [(count, *embed(options, count, scratch)) for count in COUNTS]
    threads = sorted({1, options.threads})
    rates = {t: [(batch, rate(options, batch, t)) for batch in BATCHES] for t in threads}
    print("| pictures | seconds | peak memory, MB |\n|---|---|---|")
    for count, seconds, megabytes in runs:
        print(f"| {count:,} | {seconds:.2f} | {megabytes:.0f} |")
    print("\n| batch | " + " | ".join(f"{t} thread{'s' * (t > 1)}, pictures/s" for t in threads) + " |")
    print("|---" * (1 + len(threads)) + "|")
    for i, batch in enumerate(BATCHES):
        print(f"| {batch} | " + " | ".join(f"{rates[t][i][1]:.1f}" for t in threads) + " |")
    time_plot = Panel("Seconds, start included", "pictures", log_y=True)
    time_plot.lines = [("embed", "#1f6fb4", [(count, seconds) for count, seconds, _ in runs])]
    memory_plot = Panel("Peak memory, MB", "pictures")
    memory_plot.lines = [("embed", "#1f6fb4", [(count, megabytes) for count, _, megabytes in runs])]
    batch_plot = Panel("Pictures a second, tower alone", "batch")
    colors = ["#c8641b", "#1f6fb4"]
    batch_plot.lines = [(f"{t} thread{'s' * (t > 1)}", colors[i % 2], rates[t]) for i, t in enumerate(threads)]
    pathlib.Path(options.out).write_text(draw([time_plot, memory_plot, batch_plot]), encoding="utf-8")


if __name__ == "__main__":
    main()
