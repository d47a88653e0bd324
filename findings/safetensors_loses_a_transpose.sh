#!/bin/bash
# Guess: save_file of safetensors.numpy writes the array it is given, transposed or sliced as it may be, or refuses it.
# What happens: it writes the memory in its own order under the new shape. The file loads, the shape is right, the numbers stand in
#   other places. (That arrays have to be contiguous is in its docstring; nothing checks it.)
# Why a learner cares: [784,1] by hand and [1,784] in nn.Linear differ by a transpose, and so do saved weights of a layer of ten.
# Seen with safetensors 0.8.0; safetensors/numpy.py, save_file
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6
cat > finding.py <<'PY'
from importlib.metadata import version
import numpy as np
from safetensors.numpy import load_file, save_file
weights = np.arange(6, dtype=np.float32).reshape(2, 3)
save_file(dict(weights=weights.T), 'w.safetensors')
loaded = load_file('w.safetensors')['weights']
save_file(dict(weights=np.ascontiguousarray(weights.T)), 'w.safetensors')
cured = load_file('w.safetensors')['weights']
print(f'safetensors {version("safetensors")}')
print(f'one would guess: {weights.T.tolist()}, or an error')
print(f'seen:            {loaded.tolist()}')
assert loaded.shape == (3, 2) and not np.array_equal(loaded, weights.T), 'safetensors behaves differently now'
assert np.array_equal(cured, weights.T)
PY
env/bin/python finding.py
