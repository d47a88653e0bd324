#!/bin/bash
# Guess: an image of floats from 0 to 1 becomes a grey image when Pillow converts it to mode L, as in matplotlib.
# What happens: the floats are cut to whole numbers. All that is left is 0 and 1 of 255, a black image, without a warning.
# Why a learner cares: this is how a tensor of MNIST is saved to look at it, and the digit is gone.
# Seen with Pillow 13.0.0; src/libImaging/Convert.c (f2l)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --disable-pip-version-check pillow==13.0.0 numpy==2.4.6
cat > finding.py <<'PY'
import numpy as np, PIL
from PIL import Image
image = np.linspace(0, 1, 784, dtype=np.float32).reshape(28, 28)
values = np.unique(np.asarray(Image.fromarray(image).convert('L'))).tolist()
scaled = np.unique(np.asarray(Image.fromarray(image*255).convert('L')))
print(f'Pillow {PIL.__version__}')
print('one would guess: values from 0 to 255, or a warning')
print(f'seen:            {values}; with image*255 there are {len(scaled)} values up to {scaled.max()}')
assert values == [0, 1] and len(scaled) == 256, 'Pillow behaves differently now'
PY
env/bin/python finding.py
