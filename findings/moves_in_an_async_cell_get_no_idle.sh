#!/bin/bash
# Guess: a kernel answers every message of a widget by the states busy and idle, whatever else it is doing.
# What happens: while a cell awaits something, the kernel handles what a widget sends at once, and tells of neither busy nor idle.
# Why a learner cares: ipywidgets' page sends a slider's next value only after idle for the one before (_pending_msgs in
#   @jupyter-widgets/base, widget.ts), so a slider that was moved beside `await` is not heard again. In a cell without `await`
#   the move waits for its end, and both states come.
# Seen with ipykernel 7.4.0; ipykernel/kernelbase.py, shell_main and dispatch_shell (concurrent=True)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --disable-pip-version-check ipykernel==7.4.0
cat > finding.py <<'PY'
import queue, time
import ipykernel
from jupyter_client.manager import KernelManager
manager = KernelManager()
manager.start_kernel()
client = manager.blocking_client()
client.start_channels()
client.wait_for_ready(timeout=60)
states, printed = {}, ''

def listen(done, seconds=60):
    "Take what the kernel sends until `done()`; was it in time?"
    global printed
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        try: msg = client.get_iopub_msg(timeout=.1)
        except queue.Empty: continue
        if msg['msg_type'] == 'stream': printed += msg['content']['text']
        elif msg['msg_type'] == 'status': states.setdefault(msg['parent_header'].get('msg_id'), []).append(msg['content']['execution_state'])
    return done()

def move(value):
    "What a page sends for a widget"
    msg = client.session.msg('comm_msg', dict(comm_id='slider', data=value))
    client.shell_channel.send(msg)
    return msg['header']['msg_id']

def moved_beside(cell, value):
    "The states that a move gets, made while `cell` runs"
    run = client.execute(cell)
    listen(lambda: states.get(run))
    time.sleep(.3)
    moved = move(value)
    assert listen(lambda: 'idle' in states[run] and f'heard {value}' in printed)
    listen(lambda: 'idle' in states.get(moved, ()), 3)
    return ' and '.join(states.get(moved, ())) or 'nothing'

try:
    ready = client.execute('''import asyncio, time
from comm import create_comm
slider = create_comm(target_name='slider', comm_id='slider')
slider.on_msg(lambda msg: print('heard', msg['content']['data'], flush=True))''')
    assert listen(lambda: 'idle' in states.get(ready, ()))
    plain, awaited = moved_beside('time.sleep(1)', 1), moved_beside('await asyncio.sleep(1)', 2)
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
print(f'ipykernel {ipykernel.__version__}')
print('one would guess: busy and idle for both moves')
print(f'seen:            {plain} beside time.sleep, {awaited} beside await; both were heard')
assert (plain, awaited) == ('busy and idle', 'nothing'), 'ipykernel behaves differently now'
PY
env/bin/python finding.py
