"The built wheel, alone in an environment with what it requires"
import copy, json, os, shutil, subprocess, sys, venv, zipfile
from concurrent.futures import ThreadPoolExecutor
from email import message_from_string
from importlib.metadata import distribution
from pathlib import Path
from urllib.request import urlopen
import cells, pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from test_claims import older, trained
from test_project import code_cells, root, tool

pytestmark = pytest.mark.ci

@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    d = tmp_path_factory.mktemp('wheel')
    source = d/'source'
    shutil.copytree(root, source, ignore=shutil.ignore_patterns('.git', '.venv', '*.egg-info', '__pycache__', 'node_modules', 'build', 'dist', 'tests'))
    subprocess.run([sys.executable, '-m', 'build', '--wheel', '--outdir', d, source], check=True)
    return next(d.glob('*.whl'))

def needs_of(told, extras=()):
    "Of what a distribution says it requires, what holds here and for `extras`"
    return [r for r in map(Requirement, told or []) if not r.marker or any(r.marker.evaluate(dict(extra=e)) for e in ('', *extras))]

def required(needs):
    "The distributions here that meet `needs`, with all that these need"
    found, asked = {}, list(needs)
    while asked:
        need = asked.pop()
        key = canonicalize_name(need.name), *sorted(need.extras)
        if key not in found:
            found[key] = distribution(need.name)
            asked += needs_of(found[key].requires, need.extras)
    return found.values()

@pytest.fixture(scope='module')
def install(wheel):
    """Function that installs into one environment; it returns the environment's Python

    What is required is taken over from here, file by file, by links (pip needs minutes to unpack it once more), and
    `pip check` finds out whether the wheel's own requirements are met by that.
    """
    env = wheel.parent/'env'
    venv.create(env)
    python = env/('Scripts' if sys.platform == 'win32' else 'bin')/'python'
    def pip(*args): subprocess.run([sys.executable, '-m', 'pip', '--python', python, *args], check=True)
    there = Path(subprocess.run([python, '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'], capture_output=True, text=True, check=True).stdout.strip())
    def install(told):
        for dist in required(needs_of(told)):
            for file in dist.files:
                source, place = Path(dist.locate_file(file)), there/file
                if '..' in file.parts or place.exists() or not source.is_file(): continue
                place.parent.mkdir(parents=True, exist_ok=True)
                try: os.link(source, place)
                except OSError: shutil.copy2(source, place)
        pip('check')
        return python
    pip('install', '-q', '--no-deps', '--no-index', wheel)
    return install

@pytest.fixture(scope='module')
def python(install, wheel):
    with zipfile.ZipFile(wheel) as z: told = next(z.read(n).decode() for n in z.namelist() if n.endswith('.dist-info/METADATA'))
    return install(message_from_string(told).get_all('Requires-Dist'))

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

lessons_and_pages = [p for p in tool.notebooks() if p.parent == tool.nbs]

def test_notebooks(python):
    "So does every other notebook, as on an older processor; so do lessons and pages, if test_claims does not run them so"
    names = [n for n in cells.notebook_names() if tool.nbs/f'{n}.ipynb' not in lessons_and_pages or n not in trained]
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

in_place = {'06_learner', '09_beyond'}   # these bind some names again further down, so their cells are repeated in place

def run_fresh(path, folder, kernels):
    "Run a notebook in a kernel of its own, and its code once more, from the last cell to the first; what went wrong"
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpecManager
    from nbclient import NotebookClient
    nb = tool.read(path)
    code = [c for c in code_cells(nb) if 'default_exp' not in c.source]
    if tool.name_of(path) in in_place: nb.cells = [twice for c in nb.cells for twice in ([c, copy.copy(c)] if c in code else [c])]
    else: nb.cells += [copy.copy(c) for c in reversed(code)]
    nb.cells.insert(0, tool.nbformat.v4.new_code_cell(f'import mnist_sgd\nassert {str(folder.parent)!r} in mnist_sgd.__file__, mnist_sgd.__file__'))
    env = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    manager = AsyncKernelManager(kernel_name='wheel', kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(kernels)]))
    try: NotebookClient(nb, timeout=600, km=manager, resources=dict(metadata=dict(path=str(folder)))).execute(env=env, cleanup_kc=True)
    except Exception as e: return str(e)

@pytest.fixture(scope='module')
def fresh_runs(request, install, wheel):
    """What went wrong in each notebook: a future by path, as many at a time as there are processors

    These tests come last: they need ipykernel, and the tests above want the environment without it.
    """
    python, kernels = install(['ipykernel']), wheel.parent/'kernels'
    (kernels/'wheel').mkdir(parents=True)
    (kernels/'wheel'/'kernel.json').write_text(json.dumps(dict(argv=[str(python), '-m', 'ipykernel_launcher', '-f', '{connection_file}'], display_name='wheel', language='python')))
    with ThreadPoolExecutor(min(os.cpu_count(), 4)) as pool:
        asked = [i.callspec.params['path'] for i in request.session.items if 'fresh_runs' in i.fixturenames]
        def start(path):
            folder = wheel.parent/path.stem
            folder.mkdir()
            return pool.submit(run_fresh, path, folder, kernels)
        yield {path: start(path) for path in asked}

@pytest.mark.parametrize('path', lessons_and_pages, ids=tool.name_of)
def test_fresh_kernel(path, fresh_runs):
    "Each lesson and page runs on the installed package, top to bottom in a kernel of its own, each cell twice"
    wrong = fresh_runs[path].result()
    assert wrong is None, wrong
