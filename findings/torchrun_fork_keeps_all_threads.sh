#!/bin/bash
# Guess: torchrun says "Setting OMP_NUM_THREADS environment variable for each process to be 1", so each of its processes works on one thread,
#   whichever of its own start methods it is given.
# What happens: with --run-path --start-method fork, each process has a thread for every processor. OMP_NUM_THREADS is read when PyTorch is
#   loaded; torchrun has loaded it before it writes the variable, and what it forks has it loaded as well. In the process the variable says 1.
# Why a learner cares: forked processes start in half the time, but then more threads than processors wait for each other in every step.
#   torch.set_num_threads(int(os.environ['OMP_NUM_THREADS'])) puts it right.
# Seen with torch 2.14.1; torch/distributed/run.py (config_from_args). It takes Linux and two processors to be seen.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --disable-pip-version-check torch==2.14.1 numpy==2.4.6
cat > worker.py <<'PY'
import os, torch
with open(f"{os.environ['SAID']}-{os.environ['RANK']}", 'w') as f: print(os.environ['OMP_NUM_THREADS'], torch.get_num_threads(), file=f)
PY
cat > finding.py <<'PY'
import os, subprocess, sys, torch
assert (os.cpu_count() or 1) > 1, 'this takes two processors to be seen'
env = {name: v for name, v in os.environ.items() if name not in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS')}
def told(name, *options):
    "What the variable says and how many threads there are, in each of two processes"
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2', *options, os.path.abspath('worker.py')]
    subprocess.run(command, env=env | {'SAID': name}, check=True, capture_output=True)
    return [tuple(map(int, open(f'{name}-{rank}').read().split())) for rank in range(2)]
usual, spawned, forked = told('usual'), told('spawned', '--run-path'), told('forked', '--run-path', '--start-method', 'fork')
print(f'torch {torch.__version__}')
print('one would guess: OMP_NUM_THREADS and threads are (1, 1) in each process')
print(f'seen:            usual {usual}, --run-path {spawned}, --run-path --start-method fork {forked}')
assert usual == spawned == [(1, 1)]*2, 'torchrun behaves differently now'
assert all(variable == 1 and threads > 1 for variable, threads in forked), 'torchrun behaves differently now'
PY
env/bin/python finding.py
