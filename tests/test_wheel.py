"The built wheel, alone in an empty environment"
import os, shutil, subprocess, sys, venv
from pathlib import Path
import pytest

pytestmark = pytest.mark.ci
root = Path(__file__).resolve().parent.parent

@pytest.fixture(scope='module')
def python(tmp_path_factory):
    "The Python of an environment that holds the wheel and what it requires"
    d = tmp_path_factory.mktemp('wheel')
    source = d/'source'
    shutil.copytree(root, source, ignore=shutil.ignore_patterns('.git', '.venv', '*.egg-info', 'build', 'dist', 'nbs', 'tests'))
    subprocess.run([sys.executable, '-m', 'build', '--wheel', '--outdir', d, source], check=True)
    venv.create(d/'env', with_pip=True)
    bin = d/'env'/('Scripts' if sys.platform == 'win32' else 'bin')
    subprocess.run([bin/'python', '-m', 'pip', 'install', '-q', next(d.glob('*.whl'))], check=True)
    return bin/'python'

def run(python, *args, **kw):
    env = {k: v for k, v in os.environ.items() if k not in ('PYTHONPATH', 'MNIST_SGD_DATA')}
    res = subprocess.run([python, *args], cwd=python.parent, env=env, capture_output=True, text=True, **kw)
    assert res.returncode == 0, res.stdout + res.stderr
    return res.stdout

def test_alone(python):
    "Neither nbdev nor JupyterLab nor fastbook, and the package is not the checkout"
    out = run(python, '-c', 'import mnist_sgd; from importlib.util import find_spec\n'
              'print([m for m in ("nbdev", "jupyterlab", "fastbook") if find_spec(m)], mnist_sgd.__file__)')
    assert out.startswith('[]') and str(root/'mnist_sgd') not in out

def test_every_public_name(python): print(run(python, root/'tests'/'call_everything.py'))

def test_console_script(python):
    res = subprocess.run([python.parent/'mnist_sgd', '--source', 'offline', '--epochs', '20'], capture_output=True, text=True)
    rows = [line.split() for line in res.stdout.splitlines()[2:]]
    assert [int(r[0]) for r in rows] == list(range(21)) and rows[1][3] == '0.4956' and float(rows[-1][3]) > .96
