#!/bin/bash
# Guess: x[rows] and x.index_select(0, rows) do the same work, so they take about the same time: a batch is 256 rows to copy.
# What happens: x[rows] takes more than twice as long on a processor. It goes through a kernel made for any number of index tensors, which
#   works out the place of every single element; index_select knows that whole rows are wanted, and copies each in one go.
# Why a learner cares: in a shuffled epoch of a linear model, fetching a batch by x[rows] costs about as much as its forward and backward pass.
# Seen with torch 2.14.1, one thread; aten/src/ATen/native/cpu/IndexKernel.cpp (index_kernel) and native/TensorAdvancedIndexing.cpp
#   (index_select_out_cpu_)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --disable-pip-version-check torch==2.14.1 numpy==2.4.6
cat > finding.py <<'PY'
import statistics, time, torch
torch.set_num_threads(1)
x = torch.rand(12_396, 784)
ways = dict(brackets=lambda rows: x[rows], index_select=lambda rows: x.index_select(0, rows))
def seconds(way):
    batches = torch.randperm(len(x)).split(256)
    start = time.perf_counter()
    for rows in batches: way(rows)
    return time.perf_counter() - start
rows = torch.randperm(len(x))[:256]
assert torch.equal(x[rows], x.index_select(0, rows))
pairs = [(seconds(ways['brackets']), seconds(ways['index_select'])) for _ in range(31)]     # in turn: a busy machine disturbs both
ratio = statistics.median(a/b for a, b in pairs)
print(f'torch {torch.__version__}')
print('one would guess: about 1')
print(f'seen:            x[rows] takes {ratio:.1f} times as long as x.index_select(0, rows)')
assert ratio > 1.3, 'torch behaves differently now'
PY
env/bin/python finding.py
