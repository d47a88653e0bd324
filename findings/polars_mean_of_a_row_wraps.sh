#!/bin/bash
# Guess: mean_horizontal of polars, over 784 columns of uint8, is the mean of a row's pixels; a mean lies between the smallest and the largest.
# What happens: the pixels are first added in uint8, modulo 256, and that remainder is divided by 784. A picture of 200s has a mean of 0.16.
#   sum_horizontal wraps as well. The sum of a column, of a List or of an Array is taken in 64 bits, so the neighbours of this function are right.
# Why a learner cares: a CSV or Parquet file of MNIST is a table of 784 such columns, and "how much ink has each digit" is its first question.
#   Nothing warns, and no answer looks impossible: every picture comes out black.
# Seen with polars 2.1.0; crates/polars-ops/src/series/ops/horizontal.rs, sum_horizontal and mean_horizontal
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --disable-pip-version-check polars==2.1.0 numpy==2.4.6
cat > finding.py <<'PY'
import numpy as np, polars as pl
rng = np.random.default_rng(0)
images = np.stack([np.full(784, 200), rng.integers(0, 256, 784)]).astype(np.uint8)
table = pl.DataFrame(images, schema=[f'pixel{i}' for i in range(784)], orient='row')
def row(function): return table.select(function(pl.all())).to_series().to_list()
true, mean, total = images.mean(1).tolist(), row(pl.mean_horizontal), row(pl.sum_horizontal)
wider = table.cast(pl.Int64).select(pl.mean_horizontal(pl.all())).to_series().to_list()
columns = table.sum().row(0)
as_list = table.select(pl.concat_list(pl.all()).list.mean()).to_series().to_list()
show = lambda means: [round(m, 2) for m in means]
print(f'polars {pl.__version__}, dtype {table.dtypes[0]}')
print(f'one would guess: {show(true)}, the mean of 784 pixels for each of two pictures')
print(f'seen:            {show(mean)}; sum_horizontal: {total}')
print(f'next to it:      {show(as_list)} by concat_list(...).list.mean(), {show(wider)} after cast(pl.Int64)')
assert columns == tuple(images.sum(0).tolist()), 'the sums of columns are not right'
assert np.allclose(as_list, true) and np.allclose(wider, true)
assert total == (images.sum(1) % 256).tolist() and np.allclose(mean, np.array(total)/784), 'polars behaves differently now'
PY
env/bin/python finding.py
