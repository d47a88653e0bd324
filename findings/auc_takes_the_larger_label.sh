#!/bin/bash
# Guess: with labels 3 and 7 and p the probability of a three, roc_auc_score either judges the threes or asks which class is meant.
# What happens: the larger label counts as positive. A perfect model gets an area of 0.0 and a log loss of nearly 2, without a
#   warning; average_precision_score, on the same arguments, refuses and names both labels.
# Why a learner cares: a course on 3s and 7s invites these labels, and 0.0 looks like a model that is wrong about everything.
# Seen with scikit-learn 1.9.1; sklearn/metrics/_ranking.py, roc_auc_score (label_binarize sorts the labels)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --disable-pip-version-check scikit-learn==1.9.1
cat > finding.py <<'PY'
import sklearn
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score
labels, p = [3, 3, 7, 7], [.9, .8, .2, .1]           # p of a three: a perfect order
area, loss = roc_auc_score(labels, p), log_loss(labels, p)
told = roc_auc_score([label == 3 for label in labels], p)
try: average_precision_score(labels, p); refusal = None
except ValueError as e: refusal = str(e)
print(f'scikit-learn {sklearn.__version__}')
print('one would guess: area 1.0, or an error that asks for the positive class')
print(f'seen:            area {area}, log loss {loss:.2f}; with labels == 3: area {told}')
print(f'next to it:      average_precision_score raises {refusal!r}')
assert area == 0 and loss > 1.9 and told == 1 and refusal, 'scikit-learn behaves differently now'
PY
env/bin/python finding.py
