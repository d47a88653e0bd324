#!/bin/bash
# Guess: nbgrader gives a test cell's points when its asserts pass, whatever the answer prints meanwhile.
# What happens: text on stderr counts as a failed test. A right sigmoid, for which numpy says "overflow encountered in exp" while its result is
#   exact, gets 0 of 5 points, and so does whoever logs a line or shows a progress bar (tqdm writes to stderr). The same asserts with smaller
#   numbers, and an answer that prints to stdout, get 5.
# Why a learner cares: nothing failed, no traceback is shown, and the points are gone; a teacher who has other versions sees no warning at all.
# Seen with nbgrader 0.9.6; nbgrader/utils.py, determine_grade
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --disable-pip-version-check nbgrader==0.9.6 numpy==2.4.6
export IPYTHONDIR=$folder/ipython PATH=$folder/env/bin:$PATH   # nbgrader starts alembic by its name
cat > course.py <<'PY'
"Write the teacher's notebook: an answer, and three cells that test it for 5 points each"
import os, nbformat
from nbformat.v4 import new_code_cell, new_notebook
def cell(name, source, points=None):
    what = dict(schema_version=3, task=False, cell_type='code', grade_id=name)
    what |= dict(grade=True, solution=False, locked=True, points=points) if points else dict(grade=False, solution=True, locked=False)
    return new_code_cell(source, metadata=dict(nbgrader=what))
answer = 'import numpy as np\n### BEGIN SOLUTION\ndef sigmoid(z): return 1/(1 + np.exp(-z))\n### END SOLUTION'
nb = new_notebook(cells=[
    cell('answer', answer),
    cell('small', 'assert np.allclose(sigmoid(np.array([-50., 0., 50.])), [0, .5, 1])', 5),
    cell('large', 'assert np.allclose(sigmoid(np.array([-999., 0., 999.])), [0, .5, 1])', 5),
    cell('prints', 'print(sigmoid(0.))\nassert sigmoid(0.) == .5', 5)])
nb.metadata.kernelspec = dict(name='python3', display_name='Python 3', language='python')
os.makedirs('source/one')
nbformat.write(nb, 'source/one/sigmoid.ipynb')
PY
cat > finding.py <<'PY'
import nbformat, nbgrader
from nbgrader.api import Gradebook
with Gradebook('sqlite:///gradebook.db') as book:
    points = {grade.name: grade.auto_score for page in book.find_submission('one', 'ada').notebooks for grade in page.grades}
cells = {c.metadata.nbgrader.grade_id: c for c in nbformat.read('autograded/ada/one/sigmoid.ipynb', 4).cells if 'nbgrader' in c.metadata}
outputs = cells['large'].outputs
assert [o.get('name') for o in outputs] == ['stderr'] and 'RuntimeWarning: overflow' in outputs[0].text, 'another output than the warning'
print(f'nbgrader {nbgrader.__version__}')
print("one would guess: {'small': 5.0, 'large': 5.0, 'prints': 5.0}")
print(f'seen:            {points}')
assert points == dict(small=5., large=0., prints=5.), 'nbgrader behaves differently now'
PY
env/bin/python course.py
env/bin/nbgrader generate_assignment one --create > log 2>&1 || { cat log; exit 1; }
mkdir -p submitted/ada/one
cp source/one/sigmoid.ipynb submitted/ada/one/         # what a learner hands in who answers as the teacher does
env/bin/nbgrader autograde one > log 2>&1 || { cat log; exit 1; }
env/bin/python finding.py
