#!/bin/bash
# Guess: idx2numpy gives the arrays of an idx file as this computer has its numbers, ready to change.
# What happens: whatever is wider than a byte keeps the byte order of the format (>i4), and the array is read-only.
#   The numbers print rightly and numpy computes with them; what takes the memory as it is gets others.
# Why a learner cares: MNIST's own files hold bytes and seem fine; the extended labels of other sets in the format are int32.
# Seen with idx2numpy 1.2.3; idx2numpy/converters.py
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --disable-pip-version-check idx2numpy==1.2.3 numpy==2.4.6
cat > finding.py <<'PY'
from importlib.metadata import version
import idx2numpy, numpy as np
idx2numpy.convert_to_file('labels.idx', np.array([3, 7], np.int32))
labels = idx2numpy.convert_from_file('labels.idx')
raw = np.frombuffer(labels.tobytes(), np.int32).tolist()
print(f'idx2numpy {version("idx2numpy")}')
print('one would guess: dtype int32, writeable')
print(f'seen:            dtype {labels.dtype.str}, writeable: {labels.flags.writeable}; [3, 7] read as memory: {raw}')
assert labels.dtype.str == '>i4' and labels.tolist() == [3, 7] and not labels.flags.writeable, 'idx2numpy behaves differently now'
assert raw == [3 << 24, 7 << 24]
PY
env/bin/python finding.py
