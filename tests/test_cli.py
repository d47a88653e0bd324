"The command in a terminal"
import os, signal, subprocess, sys
from importlib.metadata import version
from pathlib import Path
import pytest

command = [str(Path(sys.executable).with_name('mnist_sgd')), '--source', 'offline']

@pytest.mark.parametrize('start', (['-m', 'mnist_sgd'], ['-m', 'mnist_sgd.cli'], ['-m', 'mnist_sgd.runs.cli']), ids=' '.join)
def test_as_a_module(start):
    "`python -m` does what the command does: the same rows, the same complaint, the same version"
    def both(*words):
        ways = [sys.executable, *start], command[:1]
        return [subprocess.run([*way, *words], capture_output=True, text=True) for way in ways]
    ours, theirs = both(*command[1:], '--epochs', '2')
    assert ours.returncode == theirs.returncode == 0 and ours.stdout == theirs.stdout and len(ours.stdout.splitlines()) == 5
    ours, theirs = both('--lr', '-1')
    assert ours.returncode == theirs.returncode == 2 and ours.stderr == theirs.stderr and 'above 0' in ours.stderr
    ours, theirs = both('--version')
    assert ours.stdout == theirs.stdout == f"mnist_sgd {version('mnist_sgd')}\n" and ours.returncode == 0

def test_table():
    out = subprocess.run([*command, '--epochs', '2', '--shuffle'], capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in out.stdout.splitlines()[2:]] == ['0', '1', '2']
    assert out.stderr == ''  # no bar where there is no terminal

@pytest.mark.skipif(sys.platform == 'win32', reason='POSIX limits')
def test_full_disk(tmp_path):
    "Where a checkpoint does not fit, the complaint is one line that names it, and no half of it stays"
    limited = 'import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)); from mnist_sgd.runs.cli import main; main()'
    words = *command[1:], '--epochs', '2', '--model', 'net', '--checkpoint', tmp_path/'run.pt'
    out = subprocess.run([sys.executable, '-c', limited, *words], capture_output=True, text=True)
    assert out.returncode == 2 and 'Traceback' not in out.stderr and f"File too large: '{tmp_path/'run.pt'}'" in out.stderr
    assert not list(tmp_path.iterdir())

@pytest.mark.skipif(sys.platform == 'win32', reason='POSIX terminals')
def test_progress_bar_on_a_terminal():
    import fcntl, pty, struct, termios
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 30, 100, 0, 0))
    process = subprocess.Popen([*command, '--epochs', '100'], stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b''
    while True:
        try: part = os.read(ours, 65536)
        except OSError: break
        if not part: break
        shown += part
    assert process.wait() == 0
    assert '█' in shown.decode() and '/101 ' in shown.decode() and '  100 ' in shown.decode()

@pytest.mark.skipif(sys.platform == 'win32', reason='POSIX signals')
def test_interrupt():
    process = subprocess.Popen([*command, '--epochs', '1000000'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # also where a job in the background ignores it
    while not process.stdout.readline().strip().startswith('3 '): pass
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130 and out.strip().endswith('stopped') and 'Traceback' not in err

@pytest.mark.skipif(sys.platform == 'win32', reason='POSIX pipes')
@pytest.mark.parametrize('reader', ('head -1', 'true'))
def test_closed_pipe(reader):
    line = ' '.join(map(repr, command)) + f' --epochs 30 | {reader}'
    err = subprocess.run(line, shell=True, capture_output=True, text=True).stderr
    assert 'Traceback' not in err and 'Exception ignored' not in err, err
