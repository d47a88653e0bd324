#!/bin/bash
# Guess: `total` tells a progress bar how long it will be, and nothing else: what it wraps comes through whole, as with tqdm.
# What happens: fastprogress ends the loop after `total` items, and has by then taken one more, which is thrown away. With the usual
#   total=len(x)//256 the last, shorter batch is never trained on, and of an endless stream each epoch loses a batch.
# Why a learner cares: fastai brings this bar along, and for a plain generator of batches it asks for a total. The bar stands at 100%, no
#   error is raised, and 108 of 12,396 digits are missing from each epoch.
# Seen with fastprogress 1.1.6; fastprogress/fastprogress.py, ProgressBar.__iter__
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --disable-pip-version-check fastprogress==1.1.6 tqdm==4.67.1
cat > finding.py <<'PY'
import contextlib, io, itertools
import fastprogress, tqdm
from fastprogress import progress_bar
images, bs = range(12_396), 256
def batches():
    "The images in batches of 256, the last one of 108"
    for i in range(0, len(images), bs): yield images[i:i+bs]
def trained_on(bar):
    "How many images come through a bar"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return sum(len(xb) for xb in bar(batches(), total=len(images)//bs))
def two_epochs(epoch):
    "Which batches of a long stream come through, in two epochs of three"
    stream = iter(range(100))
    with contextlib.redirect_stdout(io.StringIO()): return [list(epoch(stream)) for _ in range(2)]
theirs, plain = trained_on(progress_bar), trained_on(tqdm.tqdm)
stream, sliced = two_epochs(lambda s: progress_bar(s, total=3)), two_epochs(lambda s: itertools.islice(s, 3))
print(f'fastprogress {fastprogress.__version__}, tqdm {tqdm.__version__}')
print(f'one would guess: {plain} images, as with tqdm; of a long stream, batches {sliced}')
print(f'seen:            {theirs} images;                of a long stream, batches {stream}')
assert plain == 12_396 and sliced == [[0, 1, 2], [3, 4, 5]]
assert theirs == 12_288 and stream == [[0, 1, 2], [4, 5, 6]], 'fastprogress behaves differently now'
PY
env/bin/python finding.py
