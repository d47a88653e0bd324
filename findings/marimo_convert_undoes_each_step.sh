#!/bin/bash
# Guess: `marimo convert` makes a notebook that computes what the old one did, or says what it cannot take over (marimo lets each variable be
#   assigned in one cell only).
# What happens: a variable that a later cell assigns again gets a new name there, w becomes w_1, but what stands to the right of the = keeps the
#   old one. So `w -= lr*grad` in a loop becomes `w_1 = w - lr*grad`: each step starts from the first weights, and twenty steps are one step.
#   The command says "Converted notebook saved to ..." and exits 0; the new notebook runs without an error.
# Why a learner cares: weights in one cell and the loop in the next is how a course writes SGD. Converted, it trains one step, and the losses
#   that it records are the first one twenty times. With both in one cell, or with w[:] -= ..., it is right.
# Seen with marimo 0.25.2; marimo/_convert/ipynb/to_ir.py, _transform_aug_assign and transform_duplicate_definitions
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --disable-pip-version-check marimo==0.25.2
cat > finding.py <<'PY'
import contextlib, io, json, subprocess, sys
import marimo
start, show = 'w, lr, losses = 0., .1, []', 'print(round(w, 4), len(set(losses)))'
loop = 'for step in range(20):\n    losses.append((w - 3)**2)\n    grad = 2*(w - 3)\n    w -= lr*grad'
def by_hand(*cells):
    "What the cells print, run one after another"
    printed, names = io.StringIO(), {}
    with contextlib.redirect_stdout(printed):
        for cell in cells: exec(cell, names)
    return printed.getvalue().strip()
def converted(*cells):
    "What they print after `marimo convert`, and the lines with a w in them"
    code = [dict(cell_type='code', source=cell, metadata={}, outputs=[], execution_count=None, id=f'c{i}') for i, cell in enumerate(cells)]
    with open('sgd.ipynb', 'w') as f: json.dump(dict(cells=code, metadata={}, nbformat=4, nbformat_minor=5), f)
    subprocess.run([sys.executable, '-m', 'marimo', '-y', 'convert', 'sgd.ipynb', '-o', 'sgd.py'], check=True, capture_output=True)
    run = subprocess.run([sys.executable, 'sgd.py'], check=True, capture_output=True, text=True)
    return run.stdout.strip(), [line.strip() for line in open('sgd.py') if 'lr * grad' in line]
true, (seen, lines), (together, _) = by_hand(start, loop, show), converted(start, loop, show), converted(f'{start}\n{loop}', show)
print(f'marimo {marimo.__version__}')
print(f'one would guess: weight and number of different losses: {true}, or an error')
print(f'seen:            {seen}; the step is now {lines}')
print(f'next to it:      {together} with the loop in the cell of the weights')
assert true == together == '2.9654 20'
assert seen == '0.6 1' and lines == ['w_1 = w - lr * grad'], 'marimo behaves differently now'
PY
env/bin/python finding.py
