#!/bin/bash
# Guess: a cell shows its last value, whatever another cell does meanwhile in a subshell, as JupyterLab's subshell console has one.
# What happens: while a value is being drawn, a result in a subshell takes its message away: the first cell ends well and shows
#   nothing, without an error. All subshells share one display hook, with one message in it.
# Why a learner cares: a chart that takes a second to draw is missing, because of a number asked for beside it.
# Seen with ipykernel 7.4.0; ipykernel/displayhook.py, ZMQShellDisplayHook (msg)
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
found, over = [], set()

def send(kind, content, channel, subshell=None):
    "Send a request; its id"
    msg = client.session.msg(kind, content)
    if subshell: msg['header']['subshell_id'] = subshell
    channel.send(msg)
    return msg['header']['msg_id']

def run(code, subshell=None):
    "Start a cell"
    content = dict(code=code, silent=False, store_history=True, user_expressions={}, allow_stdin=False, stop_on_error=True)
    return send('execute_request', content, client.shell_channel, subshell)

def listen(*cells):
    "Keep the results that the kernel sends until `cells` have ended"
    end = time.monotonic() + 60
    while not over >= {*cells}:
        assert time.monotonic() < end, 'the kernel has not answered within a minute'
        try: msg = client.get_iopub_msg(timeout=.1)
        except queue.Empty: continue
        content, cell = msg['content'], msg['parent_header'].get('msg_id')
        if msg['msg_type'] == 'execute_result': found.append((cell, content['data']['text/plain']))
        elif msg['msg_type'] == 'status' and content['execution_state'] == 'idle': over.add(cell)

def results(*cells): return [[text for cell, text in found if cell == c] for c in cells]

try:
    asked = send('create_subshell_request', {}, client.control_channel)
    while (reply := client.get_control_msg(timeout=60))['parent_header'].get('msg_id') != asked: pass
    subshell = reply['content']['subshell_id']
    prepared = run('''import time
class Chart:
    def __repr__(self):
        time.sleep(1)
        return 'a chart'
''')
    listen(prepared)
    alone = run('Chart()')
    listen(alone)
    chart = run('Chart()')
    time.sleep(.4)
    number = run('6*7', subshell)
    listen(chart, number)
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
alone, chart, number = results(alone, chart, number)
print(f'ipykernel {ipykernel.__version__}')
print("one would guess: ['a chart'], alone and beside another cell; that one's ['42']")
print(f'seen:            {alone} alone, {chart} beside another cell; that one\'s {number}')
assert (alone, chart, number) == (['a chart'], [], ['42']), 'ipykernel behaves differently now'
PY
env/bin/python finding.py
