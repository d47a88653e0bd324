"""Damage the library on purpose, one spot at a time: the notebooks have to notice

Each damage replaces a piece of text in a copy of one module, and in the notebook that the module comes from, as a
contributor's slip would. Then a notebook runs in that copy, cell by cell, and has to fail. That it passes undamaged is
for test_claims to show where it runs the notebook, and for `test_undamaged_passes` elsewhere.
"""
import os, re
from typing import NamedTuple
import cells, pytest
from cells import root
from test_claims import trained

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
    ('pixels not from 0 to 1',           'digits.sources', 'rows/np.float32(255)', 'rows/np.float32(256)', '00_data'),
    ('shuffles when told not to',        'data', 'if self.shuffle: return', 'if True: return', '00_data'),
    ('does not shuffle when told to',    'data', 'if self.shuffle: return', 'if False: return', '00_data'),
    ('ignores the seed of the order',    'data', 'None if seed is None else', 'None if True else', '00_data'),
    ('drops the last batch',             'data', 'yield from zip(self.x.split(n), self.y.split(n))',
                                         'yield from list(zip(self.x.split(n), self.y.split(n)))[:-1]', '00_data'),
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
    ('sign of the update, by hand',      'loop', 'p -= lr*p.grad\n        for', 'p += lr*p.grad\n        for', '04_loop'),
    ('zero_ forgotten',                  'loop', 'p.grad.zero_()\n        total', 'p.grad\n        total', '04_loop'),
    ('validation batches weighted alike','loop', 'sizes if exact else', '[1]*len(sizes) if exact else', '04_loop'),
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
    ('Learner validates on training',    'learner', 'DigitRows(data.valid_x, data.valid_y), batch_size)',
                                         'DigitRows(data.train_x, data.train_y), batch_size)', '06_learner'),
    ('answers carry the other name',     'learner', "CategoryMap(['7', '3']", "CategoryMap(['3', '7']", '06_learner'),
    ('losses of images averaged',        'learner', 'torch.func.vmap(mnist_loss)(preds, targets)',
                                         'mnist_loss(preds, targets).expand(len(preds), 1)', '06_learner'),
    ("fastai's loader ignores its seed", 'learner', 'bs, shuffle, seed)', 'bs, shuffle)', '06_learner'),
    ('callback weights batches alike',   'lab.callback', 'n*self.loss.detach(), self.n + n', 'self.loss.detach(), self.n + 1', '06_learner'),
    ('sampler leaves out the rest',      'many', 'each = -(-n//size)', 'each = n//size', 'panels/many'),
    ('the last parts are the larger',    'many', '(rank < n % size)', '(rank >= size - n % size)', 'panels/many'),
    ('every image pulls alike',          'many', 'sum(sizes)/(len(sizes)*n)', '1.', 'panels/many'),
    ('one epoch too few',                'runs.engine', 'range(len(history), recipe.epochs + 1)', 'range(len(history), recipe.epochs)', 'runs/engine'),
    ("recipe's zero_grad ignored",       'runs.engine', 'if not recipe.zero_grad: opt', 'if False: opt', 'runs/engine'),
    ("recipe's momentum ignored",        'runs.engine', ', momentum=recipe.momentum)', ')', 'runs/engine'),
    ('closed gradient sums the batch',   'runs.closed', '(y))/len(x)', '(y))', 'runs/closed'),
    ('closed form forgets the bias',     'runs.closed', 'b.copy_(models[:,-2])', 'pass', 'runs/closed'),
    ('a number asked for in each batch', 'runs.closed', 'step(images, slope(z, marks), size)', 'step(images, slope(z, marks), size); z.sum().item()', 'runs/closed'),
    ('changed pictures trained as before', 'runs.closed', 'kept is None or not torch.equal(marks, kept)', 'kept is None', 'runs/closed'),
    ('bytes not divided by 255',         'runs.closed', '1 if pixels.is_floating_point() else 1/255', '1', 'runs/closed'),
    ('nor for many models',              'runs.closed', 'mul_(rates), images, alpha=-size', 'mul_(rates), images, alpha=-255*size', 'runs/many'),
    ('bytes never used',                 'runs.closed', 'if x.is_cpu and x.dtype == torch.float32:', 'if False:', 'runs/closed'),
    ('weights of dark pixels never nan', 'runs.closed', 'weights.add_(models[:,-1])', 'pass', 'runs/closed'),
    ('a pixel lit in few images left out', 'runs.closed', 'lit = x.any(0)', 'lit = (x.sum(0) > 9)', 'runs/closed'),
    ("recipe's std ignored",             'runs.engine', 'normal_(p, std=std, generator', 'normal_(p, generator', 'runs/engine'),
    ('half a file left behind',          'machine.files', 'half.unlink()', 'pass', 'machine/files'),
    ('renamed before it is on the disk', 'machine.files', 'os.fsync(f.fileno())', 'pass', 'machine/files'),
    ('written straight into the file',   'machine.files', "half = path.with_name(f'{path.name}.{token_hex(4)}.part')", 'half = path', 'machine/files'),
    ('two writers in one half',          'machine.files', '.{token_hex(4)}.part', '.part', 'machine/files'),
    ("a cached file without its end",    'digits.sources', 'with write_whole(path) as f: np.save(f, rows)', 'np.save(path, rows)', 'digits/sources'),
)]
each_damage = pytest.mark.parametrize('damage', damages, ids=lambda d: f'{d.module}: {d.kind}')
notebooks = sorted({d.notebook for d in damages} - {*trained})


def replaced(text, damage, where):
    assert text.count(damage.old) == 1, f'{damage.old!r} is {text.count(damage.old)} times in {where}, not once: write the damage anew'
    return text.replace(damage.old, damage.new)

def module_file(damage): return f"mnist_sgd/{damage.module.replace('.', '/')}.py"

def damaged_module(damage):
    "Name of the notebook that the module comes from, and the module's text with the damage"
    file = module_file(damage)
    text = (root/file).read_text(encoding='utf-8')
    return re.search(r'File to edit: (?:\.\./)+nbs/([\w/]+)\.ipynb', text)[1], replaced(text, damage, file)

def damaged_cells(nb, damage):
    "Damage the one exported cell of `nb` that holds the text"
    exported = [c for c in nb['cells'] if c['cell_type'] == 'code' and c['source'] and c['source'][0].startswith('#| export')]
    found = [c for c in exported if damage.old in ''.join(c['source'])]
    assert len(found) == 1, f'{damage.old!r} is in {len(found)} exported cells, not in one: write the damage anew'
    found[0]['source'] = [replaced(''.join(found[0]['source']), damage, 'its cell')]

def make_copy(folder, notebook, damage=None):
    "The library and one notebook in `folder`, damaged; the job that runs it"
    if not damage: return cells.make_job(folder, notebook)
    source, text = damaged_module(damage)
    compile(text, damage.module, 'exec')               # damaged, but still Python
    nb = cells.read(notebook)
    if source == notebook: damaged_cells(nb, damage)
    job = cells.make_job(folder, notebook, nb)
    (folder/module_file(damage)).write_text(text, encoding='utf-8')
    return job

@each_damage
def test_damage_fits(damage): damaged_module(damage)

@pytest.fixture(scope='module')
def results(tmp_path_factory):
    "What came of each run: by damage, or by notebook for the undamaged"
    d = tmp_path_factory.mktemp('damage')
    jobs = {n: make_copy(d/n, n) for n in notebooks}
    jobs |= {f'{x.module}: {x.kind}': make_copy(d/f'damage{i}', x.notebook, x) for i, x in enumerate(damages)}
    return cells.run_all(jobs)

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
