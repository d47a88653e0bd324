"""Notebooks' cells, run without a kernel: `python tests/cells.py [--installed] [names]` runs notebooks, all where none is named

With `--installed` they run on the package as it is installed, and not on the one beside them.

To save the imports of torch and fastai, one process imports them once and forks for each notebook, which so begins
with torch as a fresh kernel has it: no thread limit, no random state and no module of ours left by another notebook.
"""
import ast, contextlib, json, linecache, os, re, shutil, subprocess, sys, tempfile, time, traceback
from pathlib import Path

root = Path(__file__).resolve().parent.parent
seconds = 600  # for one notebook on a busy machine
quiet = dict(MPLBACKEND='agg', IN_TEST='1')  # as nbdev-test has it

def notebook_names():
    "All notebooks, such as '03_grad' and 'runs/engine'"
    paths = (p.relative_to(root/'nbs') for p in sorted((root/'nbs').rglob('*.ipynb')) if '.ipynb_checkpoints' not in p.parts)
    return [p.with_suffix('').as_posix() for p in paths]

def read(notebook): return json.loads((root/'nbs'/f'{notebook}.ipynb').read_text(encoding='utf-8'))

def sources(nb):
    "The code of a notebook's cells that tests run"
    found = (''.join(c['source']) for c in nb['cells'] if c['cell_type'] == 'code')
    return [s for s in found if not re.search(r'^#\| *(eval: *false|slow)', s, re.M)]

def make_job(folder, notebook, nb=None, installed=False, **more):
    "A copy of the library in `folder` (unless it is `installed`), and the job that runs a notebook on it, or `nb` in its place"
    if installed: folder.mkdir(parents=True)
    else:
        shutil.copytree(root/'mnist_sgd', folder/'mnist_sgd', ignore=shutil.ignore_patterns('__pycache__'))
        (folder/'nbs').symlink_to(root/'nbs')          # beside the library, as in a clone
    return dict(folder=str(folder), notebook=notebook, cells=sources(nb or read(notebook)), installed=installed, **more)

def run_all(jobs, **env):
    "Run `jobs`, a dict by name, in a process of their own; what came of each"
    clean = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    env = clean | quiet | dict(OMP_NUM_THREADS='1') | env
    res = subprocess.run([sys.executable, __file__, '--jobs'], input=json.dumps(jobs), capture_output=True, text=True, env=env)
    assert res.returncode == 0, res.stderr[-3000:]
    return json.loads(res.stdout.splitlines()[-1])


class Watched(ast.NodeTransformer):
    "Before each `assert`, keep what its inequalities compare"
    def visit_Assert(self, node):
        kept = [self.keep(c, ast.unparse(node)) for c in ast.walk(node.test) if isinstance(c, ast.Compare)
                and all(isinstance(op, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)) for op in c.ops)]
        return [*kept, node]

    def keep(self, compare, source):
        sides = ast.unparse(ast.List([compare.left, *compare.comparators], ast.Load()))
        return ast.parse(f'_keep({source!r}, lambda: {sides})').body[0]

def keeper(room):
    "Function that notes in `room` how near two sides of an inequality came, by assert"
    def keep(source, sides):
        try: values = [float(v) for v in sides()]
        except Exception: return                       # names of a comprehension, or no numbers
        near = min(abs(a - b) for a, b in zip(values, values[1:]))
        if near < room.get(source, (1e9,))[0]: room[source] = near, values
    return keep

def same_shape(a, b):
    "Have two sides of a `test_close` one shape? One that is all of one number may be a number"
    if isinstance(a, dict) or isinstance(b, dict): return False       # of them, only the keys would be compared
    import numpy as np
    a, b = (np.shape(x.detach() if hasattr(x, 'detach') else list(x) if hasattr(x, '__len__') else x) for x in (a, b))
    return a == b or not b and 0 not in a

def compare_shapes():
    "fastcore's `test_close` goes as far as the shorter list, and spreads the smaller array over the larger: compare shapes first"
    from fastcore import test
    close = test.test_close
    def strict(a, b, eps=1e-5):
        assert same_shape(a, b), f'not of one shape:\n{a}\n{b}'
        close(a, b, eps=eps)
    test.test_close = strict

def run_cells(job):
    "Run a notebook's cells in this process; what came of it"
    os.chdir(job['folder'])
    if not job['installed']: sys.path.insert(0, job['folder'])
    import warnings; warnings.simplefilter('ignore')
    import mnist_sgd
    place = Path(mnist_sgd.__file__).parent
    assert place != root/'mnist_sgd' if job['installed'] else place == Path(job['folder'])/'mnist_sgd', place
    compare_shapes()
    order, room = contextlib.nullcontext(), {}
    if job.get('order') is not None:
        from mnist_sgd.runs.rounding import OtherOrder
        order = OtherOrder(job['order'])
    names, done = dict(__name__='__main__', _keep=keeper(room)), 0
    try:
        with order:
            for source in job['cells']:
                tree, place = ast.parse(source), f"{job['notebook']} cell {done}"
                linecache.cache[place] = len(source), None, source.splitlines(True), place   # for answers' own lines
                if job.get('order') is not None: tree = ast.fix_missing_locations(Watched().visit(tree))
                exec(compile(tree, place, 'exec'), names)
                done += 1
    except BaseException as e:
        failed = job['cells'][done]
        return dict(error=type(e).__name__, text=f'{failed}\n{traceback.format_exc()[-2000:]}', cells=done, room=room)
    return dict(error=None, text='', cells=done, room=room)

def forked(jobs, seconds=seconds):
    "Fork for each of `jobs`, pairs of a name and a job, a few at a time; yields (name, what came of it, folder) as they end"
    import torch, fastai.learner, fastai.optimizer, fastcore.test, matplotlib.pyplot, ipywidgets
    assert 'mnist_sgd' not in sys.modules
    waiting, running = iter(jobs), {}
    while True:
        while len(running) < min(os.cpu_count(), 4) and (new := next(waiting, None)):
            name, job = new
            pid = os.fork()
            if not pid:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                Path(job['folder'], 'result.json').write_text(json.dumps(run_cells(job)))
                os._exit(0)
            running[pid] = name, job['folder'], time.monotonic()
        if not running: return
        for pid, (name, folder, since) in list(running.items()):
            if time.monotonic() - since > seconds: os.kill(pid, 9)
            if os.waitpid(pid, os.WNOHANG)[0]:
                del running[pid]
                result = Path(folder, 'result.json')
                said = json.loads(result.read_text()) if result.exists() else dict(error='Lost', text='killed or crashed', cells=0)
                print(f'{time.monotonic() - since:.1f} s, {name}: {said["error"]}', file=sys.stderr)
                yield name, said, folder
        time.sleep(.05)

def main():
    "Run the notebooks that are named; with `--jobs`, the jobs that stdin holds. Prints what came of them"
    if sys.argv[1:] == ['--jobs']:
        return print(json.dumps({name: result for name, result, _ in forked(json.load(sys.stdin).items())}))
    names = [*dict.fromkeys(a for a in sys.argv[1:] if a != '--installed')] or notebook_names()
    failed = 0
    os.environ.update(quiet)
    with tempfile.TemporaryDirectory() as folder:
        jobs = ((name, make_job(Path(folder)/name.replace('/', '.'), name, installed='--installed' in sys.argv)) for name in names)
        for name, result, _ in forked(jobs):
            if result['error']: print(f"{name}: {result['text']}", flush=True)
            failed += bool(result['error'])
    print(f'{len(names) - failed} passed, {failed} failed')
    sys.exit(bool(failed))

if __name__ == '__main__': main()
