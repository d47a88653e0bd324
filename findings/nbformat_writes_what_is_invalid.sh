#!/bin/bash
# Guess: nbformat.write validates the notebook, and raises for one that its own validate refuses.
# What happens: it validates, logs one line, and writes the file all the same. A new cell has an id, which format 4.4 (still common:
#   Colab, older Jupyter) does not allow, so every script that adds a cell to such a notebook writes an invalid one.
# Why a learner cares: the file opens here, and is refused by the next tool, far from the line that wrote it.
# Seen with nbformat 5.11.1; nbformat/__init__.py, writes
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --disable-pip-version-check nbformat==5.11.1
cat > finding.py <<'PY'
import logging, nbformat
from nbformat.v4 import new_code_cell, new_notebook
logging.getLogger('traitlets').setLevel(logging.CRITICAL)
nb = new_notebook(nbformat_minor=4)
nb.cells.append(new_code_cell('lr = 1'))
nbformat.write(nb, 'a.ipynb')                        # no error
try: nbformat.validate(nbformat.read('a.ipynb', 4)); refusal = None
except nbformat.ValidationError as e: refusal = str(e).splitlines()[0]
print(f'nbformat {nbformat.__version__}')
print('one would guess: write raises ValidationError, or writes a valid notebook')
print(f'seen:            it writes, and validate then says: {refusal}')
assert refusal and "'id' was unexpected" in refusal, 'nbformat behaves differently now'
PY
env/bin/python finding.py
