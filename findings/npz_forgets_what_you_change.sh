#!/bin/bash
# Guess: an open .npz behaves like a dictionary of arrays, so what is changed in f['x'] stays changed.
# What happens: each f['x'] reads the file again and gives a new array; the change is gone, without an error or a
#   warning, and a loop that asks for f['x'][i] unpacks the whole array for every image.
# Why a learner cares: MNIST is often handed round as an .npz; "f['x_train'][...] = ..." and "for i in range(n): f['x_train'][i]"
#   both look right.
# Seen with numpy 2.4.6; numpy/lib/_npyio_impl.py, NpzFile.__getitem__
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --disable-pip-version-check numpy==2.4.6
cat > finding.py <<'PY'
import numpy as np
np.savez_compressed('digits.npz', x=np.zeros((3, 28, 28), np.uint8))
digits = np.load('digits.npz')
digits['x'][0] = 255
largest, same = int(digits['x'].max()), digits['x'] is digits['x']
kept = dict(digits)                                  # read once, then it is a dictionary
kept['x'][0] = 255
print(f'numpy {np.__version__}')
print('one would guess: largest pixel 255, the same array each time')
print(f'seen:            largest pixel {largest}, the same array each time: {same}')
print(f"with dict(...):  largest pixel {kept['x'].max()}")
assert largest == 0 and not same and kept['x'].max() == 255, 'numpy behaves differently now'
PY
env/bin/python finding.py
