#!/bin/bash
# Guess: fastcore's test_close fails if its two sides have different lengths or shapes, as test_eq does for lists.
# What happens: lists are compared as far as the shorter one goes, so anything is close to an empty list. Dictionaries are compared by
#   their keys alone. Arrays are subtracted, which spreads the smaller over the larger: three predictions are close to one number, a column
#   to a row, and an empty array to any single number.
# Why a learner cares: nbdev's notebooks test with it. A loop that returns no losses, a score that was summed where it should not be, or the
#   wrong value under the right key passes.
# Seen with fastcore 2.2.41; fastcore/test.py, is_close
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --disable-pip-version-check fastcore==2.2.41 numpy==2.4.6
cat > finding.py <<'PY'
import fastcore, numpy as np
from fastcore.test import test_close, test_eq
cases = {'three losses, none': ([.9, .5, .3], []),
         'three losses, the first': ([.9, .5, .3], [.9]),
         'accuracy .97, .50': (dict(accuracy=.97), dict(accuracy=.5)),
         'column, row': (np.full((3, 1), .5), np.full(3, .5)),
         'one score, no scores': (np.array([.5]), np.array([]))}
def passes(test, a, b):
    try: test(a, b)
    except AssertionError: return False
    return True
close = {name: passes(test_close, *pair) for name, pair in cases.items()}
equal = {name: passes(test_eq, *pair) for name, pair in list(cases.items())[:3]}
numpy_says = passes(np.testing.assert_allclose, [.9, .5, .3], [])
print(f'fastcore {fastcore.__version__}')
print('one would guess: all of them fail')
print(f'seen:            pass: {"; ".join(name for name, passed in close.items() if passed)}')
print(f'next to it:      test_eq passes {sum(equal.values())} of the first three; assert_allclose of numpy passes the first: {numpy_says}')
assert not any(equal.values()) and not numpy_says and not passes(test_close, [.9, .5], [.9, .6])
assert all(close.values()), 'fastcore behaves differently now'
PY
env/bin/python finding.py
