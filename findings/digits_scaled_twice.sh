#!/bin/bash
# Guess: digits.images and digits.data of scikit-learn's load_digits are two arrays, so scaling one leaves the other alone.
# What happens: they are two views of the same memory. digits.images /= 16 scales digits.data too, and whoever then writes
#   digits.data / 16, as every tutorial does, trains on pixels from 0 to 1/16.
# Why a learner cares: nothing fails; the model learns sixteen times as slowly and nobody sees why.
# Seen with scikit-learn 1.9.1; sklearn/datasets/_base.py, load_digits
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --disable-pip-version-check scikit-learn==1.9.1
cat > finding.py <<'PY'
import sklearn
from sklearn.datasets import load_digits
digits = load_digits()
before = digits.data.max()
digits.images /= 16
after = digits.data.max()
print(f'scikit-learn {sklearn.__version__}')
print(f'one would guess: the largest value of digits.data stays {before}')
print(f'seen:            {after}, after digits.images /= 16; data/16 is now at most {(digits.data/16).max()}')
assert (before, after) == (16., 1.), 'scikit-learn behaves differently now'
PY
env/bin/python finding.py
