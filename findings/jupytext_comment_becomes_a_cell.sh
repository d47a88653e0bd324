#!/bin/bash
# Guess: a notebook that goes to a percent script and back has the cells it had.
# What happens: a comment within a cell that starts with "# %%" is written as it is, and read as the border of a cell: one cell
#   becomes two, and the words of the comment become the title of the second.
# Why a learner cares: nbdev's exported modules mark each cell by such a comment, so pasting one into a notebook is enough; a check
#   that counts cells, or a grader that looks for a cell, then finds other ones.
# Seen with jupytext 1.19.6; jupytext/cell_reader.py, DoublePercentScriptCellReader
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --disable-pip-version-check jupytext==1.19.6
cat > finding.py <<'PY'
import jupytext
from nbformat.v4 import new_code_cell, new_notebook
source = 'w = 1\n# %% the second step\nw = 2'
script = jupytext.writes(new_notebook(cells=[new_code_cell(source)]), 'py:percent')
back = [cell.source for cell in jupytext.reads(script, 'py:percent').cells]
print(f'jupytext {jupytext.__version__}')
print(f'one would guess: {[source]}')
print(f'seen:            {back}')
assert back == ['w = 1', 'w = 2'], 'jupytext behaves differently now'
PY
env/bin/python finding.py
