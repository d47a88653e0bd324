#!/bin/bash
# Guess: a trait whose value changes tells its observers, and one that tells nobody has not changed.
# What happens: values are compared by ==, after the new one is in place. 1 becomes True, and then 1.0, and no observer hears of it;
#   nan set to the same nan again is an event each time, since nan != nan.
# Why a learner cares: what a widget shows and what the code holds part ways, or a callback that trains runs once more for nothing.
# Seen with traitlets 5.16.1; traitlets/traitlets.py, TraitType.set
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --disable-pip-version-check traitlets==5.16.1
cat > finding.py <<'PY'
import traitlets
class Settings(traitlets.HasTraits):
    epochs = traitlets.Any(1)
    lr = traitlets.Float(1.)
settings, heard = Settings(), []
settings.observe(lambda change: heard.append(change['new']))
settings.epochs = True
value, silent = settings.epochs, not heard
for _ in range(3): settings.lr = float('nan')
print(f'traitlets {traitlets.__version__}')
print('one would guess: one event for True; one event for nan')
print(f'seen:            epochs is {value!r}, events {0 if silent else 1}; events for nan: {len(heard)}')
assert value is True and silent and len(heard) == 3, 'traitlets behaves differently now'
PY
env/bin/python finding.py
