"Processes that a notebook started end with it, however it ends"
import os, signal, subprocess, sys, time
from pathlib import Path
import pytest
from mnist_sgd.runs.processes import why_not

pytestmark = [pytest.mark.ci, pytest.mark.skipif(bool(why_not()), reason=why_not())]

noticing = '''
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)   # a shell that puts us into the background has it ignored
'''

program = noticing + '''
import os, time
from mnist_sgd.runs.processes import on_processes
print(*on_processes(2, os.getpid), flush=True)
on_processes(2, time.sleep, 600)
'''

def is_there(pid):
    "Is there a process with this id that still runs?"
    try: os.kill(pid, 0)
    except ProcessLookupError: return False
    status = Path(f'/proc/{pid}/status')
    return not status.exists() or 'State:\tZ' not in status.read_text()

@pytest.mark.parametrize('how', [signal.SIGKILL, signal.SIGINT], ids=['killed', 'interrupted'])
def test_none_stays(how):
    "A notebook that is killed or interrupted in the middle of a call leaves no process behind"
    p = subprocess.Popen([sys.executable, '-c', program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    pids = [int(pid) for pid in p.stdout.readline().split()]
    assert len(pids) == 2 and all(map(is_there, pids))
    os.kill(p.pid, how)
    p.communicate(timeout=60)
    until = time.monotonic() + 30
    while any(map(is_there, pids)) and time.monotonic() < until: time.sleep(.1)
    assert not any(map(is_there, pids))

beside = noticing + '''
import threading, time
from multiprocessing import Pipe
from mnist_sgd.runs.processes import Crew
ends, crew = Pipe(), Crew.__new__(Crew)          # of one member, which never answers
crew.members = {0: (ends[0], 0)}
def press():
    time.sleep(.2)
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
threading.Thread(target=press, daemon=True).start()
start = time.monotonic()
try: crew._answers(start + 20)
except KeyboardInterrupt: print(time.monotonic() - start)
'''

def test_interrupt_is_noticed():
    "An interrupt that does not wake the notebook (it came just before the wait or, as here, in another thread) ends the call all the same"
    out = subprocess.run([sys.executable, '-c', beside], capture_output=True, text=True, check=True).stdout
    assert .2 < float(out) < 10, out
