"""Damage the library on purpose, one spot at a time: the notebooks have to notice

Each damage replaces a piece of text in a copy of one module, and in the notebook that the module comes from, as a
contributor's slip would. Then a notebook runs in that copy, cell by cell, and has to fail. To save the imports of
torch and fastai, one process imports them once and forks for each run (`python test_damage.py < jobs`).
"""
import json, os, re, shutil, subprocess, sys, time, traceback
from pathlib import Path
from typing import NamedTuple
import pytest

root = Path(__file__).resolve().parent.parent
seconds = 600  # for one notebook on a busy machine

class Damage(NamedTuple):
    kind: str      # What is wrong now
    module: str    # Where
    old: str       # There exactly once
    new: str
    notebook: str  # The smallest one that notices

damages = [Damage(*d) for d in (
    ('classes swapped',                  'data', '(t3, 1.), (t7, 0.)', '(t3, 0.), (t7, 1.)', '00_data'),
    ('labels [N] instead of [N,1]',      'data', 'torch.full((n, 1), label)', 'torch.full((n,), label)', '00_data'),
    ('validation on training pictures',  'data', 'x[t3+t7:], y[t3+t7:]', 'x[:t3+t7], y[:t3+t7]', '00_data'),
    ('pixels not from 0 to 1',           'data', '.div_(255)', '.div_(256)', '00_data'),
    ('shuffles when told not to',        'data', 'if self.shuffle: return', 'if True: return', '00_data'),
    ('does not shuffle when told to',    'data', 'if self.shuffle: return', 'if False: return', '00_data'),
    ('ignores the seed of the order',    'data', 'None if seed is None else', 'None if True else', '00_data'),
    ('drops the last batch',             'data', 'yield from zip(self.x.split(self.batch_size), self.y.split(self.batch_size))',
                                         'yield from list(zip(self.x.split(self.batch_size), self.y.split(self.batch_size)))[:-1]', '00_data'),
    ('counts batches rounded down',      'data', '-(-len(self.x) // self.batch_size)', 'len(self.x) // self.batch_size', '00_data'),
    ('std ignored',                      'init', '(torch.randn(size)*std)', '(torch.randn(size))', '01_init'),
    ('bias forgotten',                   'init', 'xb@weights + bias', 'xb@weights', '01_init'),
    ('parameters without a record',      'init', '.to(device).requires_grad_()', '.to(device)', '01_init'),
    ('mean becomes sum',                 'loss', '1-p, p).mean()', '1-p, p).sum()', '02_loss'),
    ('sigmoid dropped',                  'loss', 'p = preds.sigmoid()', 'p = preds', '02_loss'),
    ('loss wants the other class',       'loss', 'targets==1, 1-p, p', 'targets==1, p, 1-p', '02_loss'),
    ('accuracy asks scores for 0.5',     'loss', '((preds > 0) ==', '((preds > .5) ==', '02_loss'),
    ('shapes not compared',              'loss', 'if preds.shape != targets.shape:', 'if False:', '02_loss'),
    ('closed form without p(1-p)',       'grad', '* p*(1-p)', '', '03_grad'),
    ('closed form sums over the batch',  'grad', 'p*(1-p) / len(xb)', 'p*(1-p)', '03_grad'),
    ('gradient twice as long',           'grad', 'loss.backward()', '(2*loss).backward()', '03_grad'),
    ('sign of the update, by hand',      'loop', 'p -= lr*p.grad\n        for', 'p += lr*p.grad\n        for', '04_zero'),
    ('zero_ forgotten',                  'loop', 'p.grad.zero_()\n        total', 'p.grad\n        total', '04_zero'),
    ('validation batches weighted alike','loop', 'sizes if exact else', '[1]*len(sizes) if exact else', '04_zero'),
    ('lr ignored, by hand',              'loop', 'p -= lr*p.grad\n        for', 'p -= p.grad\n        for', '05_optimizer'),
    ('sign of the update',               'optimizer', 'p -= self.lr*p.grad', 'p += self.lr*p.grad', '05_optimizer'),
    ('lr ignored',                       'optimizer', 'p -= self.lr*p.grad', 'p -= p.grad', '05_optimizer'),
    ('zero_grad does nothing',           'optimizer', 'for p in self.params: p.grad = None', 'for p in self.params: p.grad', '05_optimizer'),
    ('parameters walked only once',      'optimizer', 'list(params), lr', 'params, lr', '05_optimizer'),
    ('step forgotten',                   'optimizer', 'model, loss_func)\n        opt.step()', 'model, loss_func)', '05_optimizer'),
    ('loss_func ignored',                'optimizer', 'calc_grad(xb, yb, model, loss_func)', 'calc_grad(xb, yb, model)', '05_optimizer'),
    ('exact=False ignored',              'optimizer', 'validate_epoch(model, valid_dl, exact)', 'validate_epoch(model, valid_dl)', '05_optimizer'),
    ('momentum ignored',                 'optimizer', 'model.parameters(), lr=lr, momentum=momentum)', 'model.parameters(), lr=lr)', '05_optimizer'),
    ('mean loss weights batches alike',  'optimizer', 'total + loss*len(xb), n + len(xb)', 'total + loss, n + 1', '06_learner'),
    ('Learner gets no shuffled batches', 'learner', 'batch_size, shuffle, seed)', 'batch_size, False, seed)', '06_learner'),
    ('Learner validates on training',    'learner', 'TensorLoader(data.valid_x, data.valid_y, batch_size)',
                                         'TensorLoader(data.train_x, data.train_y, batch_size)', '06_learner'),
    ('callback weights batches alike',   'learner', 'n*self.loss.detach(), self.n + n', 'self.loss.detach(), self.n + 1', '06_learner'),
    ('one epoch too few',                'engine', 'range(1, recipe.epochs + 1)', 'range(1, recipe.epochs)', '11_engine'),
    ("recipe's zero_grad ignored",       'engine', 'if not recipe.zero_grad: opt', 'if False: opt', '11_engine'),
    ("recipe's momentum ignored",        'engine', ', momentum=recipe.momentum)', ')', '11_engine'),
    ('closed gradient sums the batch',   'engine', '(y))/len(x)', '(y))', '11_engine'),
    ('closed form forgets the bias',     'engine', 'b.addmv_(one, dz, alpha=step)', 'pass', '11_engine'),
    ('a number asked for in each batch', 'engine', 'dz = slope(product(b, xb, w, alpha=scale, out=z), s)', 'dz = slope(product(b, xb, w, alpha=scale, out=z), s); dz.sum().item()', '11_engine'),
    ('changed pictures trained as before', 'engine', 'kept is None or not torch.equal(marks, kept)', 'kept is None', '11_engine'),
    ('bytes not divided by 255',         'engine', 'alpha=step*scale', 'alpha=step', '11_engine'),
    ('nor for many models',              'engine', 'dz.mul_(step), alpha=scale', 'dz.mul_(step)', '08_sweep'),
    ('bytes never used',                 'engine', 'if dl.shuffle or n <= 512 else', 'if False else', '11_engine'),
    ("recipe's std ignored",             'engine', 'normal_(p, std=recipe.std, generator', 'normal_(p, generator', '11_engine'),
)]
each_damage = pytest.mark.parametrize('damage', damages, ids=lambda d: f'{d.module}: {d.kind}')
notebooks = sorted({d.notebook for d in damages})


def replaced(text, damage, where):
    assert text.count(damage.old) == 1, f'{damage.old!r} is {text.count(damage.old)} times in {where}, not once: write the damage anew'
    return text.replace(damage.old, damage.new)

def damaged_module(damage):
    "Name of the notebook that the module comes from, and the module's text with the damage"
    text = (root/'mnist_sgd'/f'{damage.module}.py').read_text(encoding='utf-8')
    return re.search(r'File to edit: \.\./nbs/(\w+)\.ipynb', text)[1], replaced(text, damage, f'mnist_sgd/{damage.module}.py')

def damaged_cells(nb, damage):
    "Damage the one exported cell of `nb` that holds the text"
    exported = [c for c in nb['cells'] if c['cell_type'] == 'code' and c['source'] and c['source'][0].startswith('#| export')]
    cells = [c for c in exported if damage.old in ''.join(c['source'])]
    assert len(cells) == 1, f'{damage.old!r} is in {len(cells)} exported cells, not in one: write the damage anew'
    cells[0]['source'] = [replaced(''.join(cells[0]['source']), damage, 'its cell')]

def make_copy(folder, notebook, damage=None):
    "The library and one notebook in `folder`, damaged; the job that runs it"
    shutil.copytree(root/'mnist_sgd', folder/'mnist_sgd', ignore=shutil.ignore_patterns('__pycache__'))
    nb = json.loads((root/'nbs'/f'{notebook}.ipynb').read_text(encoding='utf-8'))
    if damage:
        source, text = damaged_module(damage)
        compile(text, damage.module, 'exec')           # damaged, but still Python
        (folder/'mnist_sgd'/f'{damage.module}.py').write_text(text, encoding='utf-8')
        if source == notebook: damaged_cells(nb, damage)
    cells = [''.join(c['source']) for c in nb['cells'] if c['cell_type'] == 'code']
    return dict(folder=str(folder), notebook=notebook, cells=[s for s in cells if not re.search(r'^#\| *(eval: *false|slow)', s, re.M)])

@each_damage
def test_damage_fits(damage): damaged_module(damage)

@pytest.fixture(scope='module')
def results(tmp_path_factory):
    "What came of each run: by damage, or by notebook for the undamaged"
    d = tmp_path_factory.mktemp('damage')
    jobs = {n: make_copy(d/n, n) for n in notebooks}
    jobs |= {f'{x.module}: {x.kind}': make_copy(d/f'damage{i}', x.notebook, x) for i, x in enumerate(damages)}
    env = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'} | dict(OMP_NUM_THREADS='1', MPLBACKEND='agg', IN_TEST='1')
    res = subprocess.run([sys.executable, __file__], input=json.dumps(jobs), capture_output=True, text=True, env=env)
    assert res.returncode == 0, res.stderr[-3000:]
    return json.loads(res.stdout.splitlines()[-1])

ci = pytest.mark.ci
no_fork = pytest.mark.skipif(not hasattr(os, 'fork'), reason='no fork on this system')

@ci
@no_fork
@pytest.mark.parametrize('notebook', notebooks)
def test_undamaged_passes(results, notebook):
    "What notices damage has nothing to say without it, and ran to its last cell"
    assert results[notebook]['error'] is None, results[notebook]['text']
    assert results[notebook]['cells'] > 5

@ci
@no_fork
@each_damage
def test_damage_is_noticed(results, damage):
    "The notebook fails, and in a test or in a step of the lesson: not because the damage is no Python"
    result = results[f'{damage.module}: {damage.kind}']
    assert result['error'], f'{damage.notebook} does not notice'
    assert result['error'] not in ('SyntaxError', 'IndentationError', 'ImportError', 'ModuleNotFoundError', 'NameError', 'Lost'), result['text']


def run_cells(job):
    "Run a notebook's cells in this process; what came of it"
    os.chdir(job['folder']); sys.path.insert(0, job['folder'])
    import warnings; warnings.simplefilter('ignore')
    import mnist_sgd
    assert Path(mnist_sgd.__file__).parent == Path(job['folder'])/'mnist_sgd', 'not the damaged copy'
    names, done = dict(__name__='__main__'), 0
    try:
        for source in job['cells']:
            exec(compile(source, f"{job['notebook']} cell {done}", 'exec'), names)
            done += 1
    except BaseException as e: return dict(error=type(e).__name__, text=traceback.format_exc()[-2000:], cells=done)
    return dict(error=None, text='', cells=done)

def forked(jobs, seconds=seconds):
    "Fork for each of `jobs`, pairs of a name and a job, a few at a time; yields (name, what came of it, folder) as they end"
    import torch, fastai.learner, fastai.optimizer, fastcore.test, matplotlib.pyplot, ipywidgets
    assert 'mnist_sgd' not in sys.modules
    torch.set_num_threads(1)
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
    "Run the jobs that stdin holds; prints what came of them"
    print(json.dumps({name: result for name, result, _ in forked(json.load(sys.stdin).items())}))

if __name__ == '__main__': main()
