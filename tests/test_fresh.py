"Each lesson and page in a fresh kernel, on the installed package"
import copy, json, os
from concurrent.futures import ThreadPoolExecutor
import pytest
from test_project import code_cells, lessons_and_pages, tool

pytestmark = pytest.mark.ci

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
def fresh_runs(request, install, python, wheel):
    "What went wrong in each notebook: a future by path, as many at a time as there are processors"
    install(['ipykernel'])
    kernels = wheel.parent/'kernels'
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
