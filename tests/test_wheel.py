"The built wheel, alone in an environment with what it requires"
import os, subprocess, sys, venv
from urllib.request import urlopen
import cells, pytest
from test_claims import older, trained
from test_project import root

pytestmark = pytest.mark.ci

def run(python, *args, **more):
    "Run Python with `args` and with `more` in its environment; what it printed"
    env = {k: v for k, v in os.environ.items() if k not in ('PYTHONPATH', 'MNIST_SGD_DATA')} | more
    res = subprocess.run([python, *args], cwd=python.parent, env=env, capture_output=True, text=True)
    assert res.returncode == 0, res.stdout + res.stderr
    return res.stdout

def test_alone(python):
    "Neither nbdev nor JupyterLab nor fastbook, and the package is not the checkout"
    out = run(python, '-c', 'import mnist_sgd; from importlib.util import find_spec\n'
              'print([m for m in ("nbdev", "jupyterlab", "fastbook") if find_spec(m)], mnist_sgd.__file__)')
    assert out.startswith('[]') and str(root/'mnist_sgd') not in out

def test_every_module(python):
    "The wheel holds every module, those of the folders included, and each can be imported by itself"
    files = (p.relative_to(root).with_suffix('') for p in (root/'mnist_sgd').rglob('*.py') if not p.stem.startswith('_'))
    names = sorted('.'.join(p.parts) for p in files)
    assert len(names) > 40
    run(python, '-c', f'import importlib\nfor name in {names}: importlib.import_module(name)')

def test_notebooks(python):
    "Every notebook runs on it, as on an older processor, but for the lessons and pages that test_claims runs so"
    names = [n for n in cells.notebook_names() if '/' in n or n not in trained]
    run(python, root/'tests'/'cells.py', '--installed', *names, **older, **{k: v for k, v in os.environ.items() if k == 'MNIST_SGD_DATA'})

def test_course(python, tmp_path):
    "The lessons and pages are in the wheel, and a learner's copies of them come out of it, from any folder"
    said = subprocess.run([python.parent/'mnist_sgd', 'course', 'mine', '--no-open'], cwd=tmp_path, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    written = sorted(p.name for p in (tmp_path/'mine').iterdir())
    assert written == sorted(p.name for p in (root/'nbs').glob('*.ipynb') if p.stem != 'teacher')
    assert 'site-packages' in run(python, '-c', 'from mnist_sgd.course.files import course_folder; print(course_folder())')

cpu_index = 'https://download.pytorch.org/whl/cpu'

def test_cpu_only(wheel, tmp_path):
    "The teacher's page's way to install it without a GPU: no library of NVIDIA's, under 3 GB with JupyterLab, and it trains"
    try: urlopen(f'{cpu_index}/torch/', timeout=10).close()
    except OSError: pytest.skip(f'{cpu_index} cannot be reached from here')
    venv.create(tmp_path/'env', with_pip=True)
    bin = tmp_path/'env'/('Scripts' if sys.platform == 'win32' else 'bin')
    for what in (['torch', 'torchvision', '--index-url', cpu_index], [f'{wheel}[lab]']):
        subprocess.run([bin/'python', '-m', 'pip', 'install', '-q', '--no-compile', *what], check=True)
    assert not [*(tmp_path/'env').rglob('*cudart*')]
    assert sum(p.stat().st_size for p in (tmp_path/'env').rglob('*') if p.is_file()) < 3e9
    subprocess.run([bin/'mnist_sgd', '--source', 'offline', '--epochs', '1'], check=True)

def test_console_script(python):
    res = subprocess.run([python.parent/'mnist_sgd', '--source', 'offline', '--epochs', '20'], capture_output=True, text=True)
    rows = [line.split() for line in res.stdout.splitlines()[2:]]
    assert [int(r[0]) for r in rows] == list(range(21)) and rows[1][3] == '0.4956' and float(rows[-1][3]) > .96
