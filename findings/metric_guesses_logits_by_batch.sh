#!/bin/bash
# Guess: BinaryAccuracy of torchmetrics treats the scores of all batches alike, so batch by batch it gets what it gets in one go.
# What happens: each batch is looked at by itself. If one of its scores lies outside 0..1 they are all logits and go through the sigmoid; if
#   none does they are probabilities. The logit .3 is a 7 in one batch and a 3 in the next.
# Why a learner cares: in folder order the 3s come first, with logits below 0, then the 7s; early in training those are between 0 and 1. A model
#   that has every digit right is at .5, and the number moves with the batch size and the order. The area under the curve, which asks for
#   no threshold and should not care, falls to 0; F1 and the confusion matrix do the same. preds.sigmoid() before the metric puts it right.
# Seen with torchmetrics 1.9.0; torchmetrics/utilities/compute.py, normalize_logits_if_needed (called with each batch)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --disable-pip-version-check torchmetrics==1.9.0 torch==2.14.1 numpy==2.4.6
cat > finding.py <<'PY'
import torch, torchmetrics
from torchmetrics.classification import BinaryAccuracy, BinaryAUROC
logits = torch.cat([torch.linspace(-.4, -.1, 8), torch.linspace(.1, .4, 8)])     # eight 3s, then eight 7s: all on the right side of 0
labels = (torch.arange(16) >= 8).long()
def score(metric, preds, bs):
    for xb, yb in zip(preds.split(bs), labels.split(bs)): metric.update(xb, yb)
    return metric.compute().item()
true = ((logits > 0) == labels.bool()).float().mean().item()
seen = {bs: score(BinaryAccuracy(), logits, bs) for bs in (16, 8, 5)}
cured = {bs: score(BinaryAccuracy(), logits.sigmoid(), bs) for bs in (16, 8, 5)}
areas = [score(BinaryAUROC(), logits, bs) for bs in (16, 8)]
print(f'torchmetrics {torchmetrics.__version__}, torch {torch.__version__}')
print(f'one would guess: accuracy {true} for every batch size')
print('seen:            ' + ', '.join(f'{acc:.4f} with batches of {bs}' for bs, acc in seen.items()))
print(f'next to it:      BinaryAUROC {areas[0]} with batches of 16, {areas[1]} with batches of 8')
print('with sigmoid():  ' + ', '.join(f'{acc:.4f} with batches of {bs}' for bs, acc in cured.items()))
assert true == 1 and set(cured.values()) == {1.}
assert areas == [1., 0.], 'torchmetrics behaves differently now'
assert seen[16] == 1 and seen[8] == .5 and seen[5] < 1, 'torchmetrics behaves differently now'
PY
env/bin/python finding.py
