#!/bin/bash
# Guess: FuncAnimation(fig, step, frames=10) calls step ten times when it is saved, once for each picture of the movie.
# What happens: eleven times. Before the first picture, step is called for the first frame once more, to have something to draw; that call
#   makes no picture. With blit=True it is called for it three more times. An init_func, which may do nothing, takes the place of those calls.
# Why a learner cares: if step trains, as in every "watch it learn" movie, the movie of ten steps has trained eleven: its first picture shows
#   the second step, and the weights afterwards are not those of the same loop without a movie.
# Seen with matplotlib 3.11.2; lib/matplotlib/animation.py, FuncAnimation._init_draw
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --disable-pip-version-check matplotlib==3.11.2 pillow==13.0.0 numpy==2.4.6
export MPLCONFIGDIR=$folder
cat > finding.py <<'PY'
import matplotlib
matplotlib.use('Agg')
from matplotlib import pyplot as plt
from matplotlib.animation import FuncAnimation
from PIL import Image
def movie(save, **options):
    "The frames that `step` was asked for, and the weight after ten steps that each halve it"
    fig, ax = plt.subplots()
    line, = ax.plot([])
    asked, weight = [], [1.]
    def step(frame):
        asked.append(frame)
        weight[0] /= 2
        line.set_data([0, 1], [0, weight[0]])
        return line,
    save(FuncAnimation(fig, step, frames=10, **options))
    plt.close(fig)
    return asked, weight[0]
def gif(animation): animation.save('training.gif', writer='pillow')
asked, weight = movie(gif)
pictures = Image.open('training.gif').n_frames
html, _ = movie(lambda animation: animation.to_jshtml())
blit, _ = movie(gif, blit=True)
cured, right = movie(gif, init_func=lambda: ())
print(f'matplotlib {matplotlib.__version__}')
print(f'one would guess: 10 calls, weight 1/{2**10}')
print(f'seen:            {len(asked)} calls for {pictures} pictures, weight 1/{1/weight:.0f}; frames asked for: {asked}')
print(f'next to it:      to_jshtml {len(html)} calls, blit=True {len(blit)}, with an init_func {len(cured)} and weight 1/{1/right:.0f}')
assert cured == [*range(10)] and right == 2**-10
assert asked == html == [0, *range(10)] and weight == 2**-11 and pictures == 10, 'matplotlib behaves differently now'
assert len(blit) > 11, 'matplotlib behaves differently now'
PY
env/bin/python finding.py
