#!/bin/bash
# Guess: after learn.freeze() the layers below the last group keep their weights, to the bit.
# What happens: that holds if they were never trained. After a fit they shrink with every step: zero_grad leaves a gradient of zeros where
#   there was one, and step takes each parameter that has a gradient, whatever requires_grad says. The gradient does nothing, and the weight
#   decay (Adam's .01 unless told otherwise) does its work.
# Why a learner cares: "train, freeze the body, go on with the head" is one line each. requires_grad is False on every weight of the frozen
#   layer, and yet it fades. `p.grad = None` after freeze() holds it.
# Seen with fastai 2.8.12, torch 2.14.1; fastai/optimizer.py, Optimizer.step, zero_grad and freeze_to
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --disable-pip-version-check fastai==2.8.12 torch==2.14.1 torchvision==0.29.1 numpy==2.4.6
export MPLCONFIGDIR=$folder FASTAI_HOME=$folder
cat > finding.py <<'PY'
import warnings
warnings.simplefilter('ignore')
import fastai, torch
from fastai.basics import DataLoader, DataLoaders, Learner, nn, params
from fastai.callback import progress                    # for no_bar
def frozen_ratio(train_first, cure=False):
    "Freeze the first layer, train for four epochs of 4 batches at lr .1: its weights after, divided by those before"
    torch.manual_seed(0)
    x = torch.randn(256, 10)
    items = list(zip(x, (x[:, :1] > 0).float()))
    dls = DataLoaders(DataLoader(items, bs=64), DataLoader(items, bs=64))
    model = nn.Sequential(nn.Linear(10, 5), nn.ReLU(), nn.Linear(5, 1))
    learn = Learner(dls, model, loss_func=nn.BCEWithLogitsLoss(), splitter=lambda m: [params(m[0]), params(m[2])])
    with learn.no_bar(), learn.no_logging():
        if train_first: learn.fit(1, .1)
        learn.freeze()
        if cure:
            for p in params(model[0]): p.grad = None
        before = model[0].weight.detach().clone()
        assert not any(p.requires_grad for p in params(model[0]))
        learn.fit(4, .1)
    assert not any(p.requires_grad for p in params(model[0]))
    return model[0].weight.detach()/before
fresh, trained, cured = frozen_ratio(False), frozen_ratio(True), frozen_ratio(True, cure=True)
print(f'fastai {fastai.__version__}, torch {torch.__version__}')
print('one would guess: each weight of the frozen layer is 1.0 times what it was')
print(f'seen:            {trained.min():.4f} to {trained.max():.4f} times; (1 - .1*.01)**16 = {(1 - .1*.01)**16:.4f}')
print(f'next to it:      1.0 times if never trained: {bool((fresh == 1).all())}; with p.grad = None: {bool((cured == 1).all())}')
assert (fresh == 1).all() and (cured == 1).all()
assert ((trained - (1 - .1*.01)**16).abs() < 1e-4).all(), 'fastai behaves differently now'
PY
env/bin/python finding.py
