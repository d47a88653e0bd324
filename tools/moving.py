"""A hand drags lr, as an animated SVG for the README: `python tools/moving.py` writes docs/images/drag_lr.svg

Each frame is a run of the library. An animated SVG is sharp at any size, and stands still where the reader asks for that.
"""
import math
from argparse import ArgumentParser
from pathlib import Path
from mnist_sgd.data import load_data
from mnist_sgd.lab.picture import run_charts
from mnist_sgd.runs.engine import run
from mnist_sgd.runs.recipe import Recipe
from mnist_sgd.runs.record import Run
from mnist_sgd.widgets.charts import chart_svg

root = Path(__file__).resolve().parent.parent
rates = [float(f'{10**(n/10):.3g}') for n in range(-20, 16)]
left, right, seconds = 110, 700, .12                     # of the track; of a frame

def frame(lr, data):
    "The slider and three charts of the run with `lr`, 20 epochs in file order, as the lab draws them"
    recipe = Recipe(lr=lr, epochs=20, device='cpu')
    done = Run(recipe, tuple(run(recipe, data)), 'cpu', ever_lit=(data.train_x > 0).any(0))
    low, high = math.log(rates[0]), math.log(rates[-1])
    x = left + (right - left)*(math.log(lr) - low)/(high - low)
    slider = (f'<text x="8" y="30" font-size="18" font-weight="bold">lr = {lr:g}</text>'
              f'<path d="M{left} 24H{right}" stroke="#bbb" stroke-width="5" stroke-linecap="round"/>'
              f'<path d="M{left} 24H{x:.0f}" stroke="#1b5fbd" stroke-width="5" stroke-linecap="round"/>'
              f'<circle cx="{x:.0f}" cy="24" r="10" fill="#1b5fbd"/>')
    charts = ''.join(chart_svg(chart, live=True).replace('<svg ', f'<svg x="{270*i}" y="44" width="270" height="222" ', 1)
                     for i, chart in enumerate(run_charts(done)[:3]))
    return slider + charts

def moving(frames, still):
    "One SVG that shows `frames` there and back, with a pause at both ends and at number `still`"
    def held(i): return [i]*(8 if i in (0, still, len(frames) - 1) else 1)
    there = [i for n in range(len(frames)) for i in held(n)]
    order = there + there[::-1]
    def percent(k): return f'{100*k/len(order):.2f}%'
    rules = ''
    for n in range(len(frames)):
        shown = [i == n for i in order]
        changes = [k for k in range(1, len(order)) if shown[k] != shown[k - 1]]
        rules += f'@keyframes f{n}{{' + ''.join(f'{percent(k)}{{visibility:{"visible" if shown[k] else "hidden"}}}' for k in [0, *changes]) + '}'
        rules += f'#f{n}{{animation-name:f{n}}}'
    style = (f'.f{{visibility:hidden;animation:{seconds*len(order):.1f}s step-end infinite}}{rules}'
             f'@media(prefers-reduced-motion:reduce){{.f{{animation:none}}#f{still}{{visibility:visible}}}}')
    groups = ''.join(f'<g class="f" id="f{n}">{drawn}</g>' for n, drawn in enumerate(frames))
    return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 820 272" font-family="sans-serif" role="img" '
            'aria-label="A slider for the learning rate is dragged; loss, accuracy and weights of a fresh training run follow it">'
            f'<style>{style}</style><rect width="820" height="272" rx="6" fill="white"/>{groups}</svg>\n')

def main(argv=None):
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('path', nargs='?', type=Path, default=root/'docs'/'images'/'drag_lr.svg', help='where to write it')
    path, data = parser.parse_args(argv).path, load_data()
    path.write_text(moving([frame(lr, data) for lr in rates], rates.index(1)), encoding='utf-8')
    print(f'{path}: {path.stat().st_size/1e3:.0f} kB, on {data.source}')

if __name__ == '__main__': main()
