#!/bin/bash
# Guess: a script that makes an IPython shell, to run a notebook's cells in its own process, keeps its own functions: it can pickle them, and
#   a process pool can call them, before and after.
# What happens: once there is a shell, sys.modules['__main__'] is the shell's empty module in place of the script. pickle looks functions and
#   classes of a script up there, so it can neither write them nor read what was written before. The script still runs and calls them itself.
# Why a learner cares: in a script of one's own that times notebooks in a process pool (by nbdev's test_nb, say), each process does its first
#   notebook, and breaks at the second: "Can't get attribute 'one' on <module '__main__'>". Functions in a module of their own are found.
# Seen with ipython 9.18.1; IPython/core/interactiveshell.py (prepare_user_module and init_sys_modules)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --disable-pip-version-check ipython==9.18.1
cat > finding.py <<'PY'
import pickle, sys
import IPython
from IPython.core.interactiveshell import InteractiveShell

def one(n): return n + 1

written, script = pickle.dumps(one), sys.modules['__main__']
assert pickle.loads(written)(1) == 2
shell = InteractiveShell()
seen = []
for what, act in (('writes', lambda: pickle.dumps(one)), ('reads', lambda: pickle.loads(written))):
    try: act()
    except (pickle.PicklingError, AttributeError) as e: seen.append(f'{what} with {type(e).__name__}: {e}')
    else: seen.append(f'{what} it')
print(f'ipython {IPython.__version__}')
print('one would guess: pickle writes it; reads it')
print('seen:            pickle ' + '; '.join(seen))
assert one(1) == 2 and sys.modules['__main__'] is not script
sys.modules['__main__'] = script                       # and with the script back in its place
assert pickle.loads(pickle.dumps(one))(1) == 2
if any(said.endswith(' it') for said in seen): sys.exit('a shell leaves the script in its place now')
PY
env/bin/python finding.py
