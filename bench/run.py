"""How fast, as ratios within one run: `python bench/run.py [--quick]` prints the table and writes bench/RESULTS.md

Every row is the median of runs that alternate with the reference of its block, so that a noisy machine disturbs both alike.
Epochs are timed twenty at a stretch, as a run has them: the first after other work finds the caches full of other things.
One thread, unless a row says otherwise. "Source's loop" is the loop as the well-known notebooks have it: fastai's `DataLoader` (the
one that `from fastai.vision.all import *` brings) over a list of pairs, `nn.Linear`, a loss with autograd, a hand-made optimizer.
"""
import io, os, statistics, subprocess, sys, time, warnings
for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS'): os.environ[name] = '1'
from argparse import ArgumentParser
import torch
from torch import nn
from torch.utils.data import DataLoader
from mnist_sgd import loop
from mnist_sgd.digits import sources
from mnist_sgd.digits.images import decode_image
from mnist_sgd.data import Digits, TensorLoader, load_data
from mnist_sgd.runs.closed import closed_epochs
from mnist_sgd.runs.engine import run
from mnist_sgd.init import init_params, linear1
from mnist_sgd.learner import get_dls
from mnist_sgd.loss import batch_accuracy, mnist_loss
from mnist_sgd.optimizer import BasicOptim, train_epoch
from mnist_sgd.runs.recipe import Recipe
from mnist_sgd.runs.many import run_many
from tables import machine, processor, Table, timed

torch.set_num_threads(1)
warnings.filterwarnings('ignore')

def pairs(x, y, loader):
    "Batches of 256 from a list of pairs"
    return loader(list(zip(x, y)), batch_size=256)

def source_loader():
    "fastai's `DataLoader`"
    from fastai.data.load import DataLoader
    return DataLoader

def source_epoch(data):
    "An epoch of the source's loop, without validation"
    dl = pairs(data.train_x, data.train_y, source_loader())
    model = nn.Linear(28*28, 1)
    opt = BasicOptim(model.parameters(), 1.)
    def epoch():
        for xb, yb in dl:
            p = model(xb).sigmoid()
            torch.where(yb == 1, 1 - p, p).mean().backward()
            opt.step(); opt.zero_grad()
    return epoch

def engine_epoch(data, recipe=Recipe(), k=None, capture=True, lr=1.):
    "An epoch of the engine's closed form, without validation; of `k` models at once"
    w, b = (torch.zeros(n, device=data.train_x.device) for n in ((784, 1) if k is None else ((784, k), k)))
    if k: lr = lr*torch.logspace(-2, 1, k, device=w.device)
    dl = TensorLoader(data.train_x, data.train_y, recipe.batch_size, recipe.shuffle, 0)
    epochs = closed_epochs(recipe.loss, w, b, lr, dl, recipe.zero_grad, recipe.momentum, capture)
    return lambda: next(epochs).sum().item()               # wait for a GPU

def run_epoch(data, device='cpu'):
    "An epoch of `run`, validation and record included, as the lab shows it"
    records = run(Recipe(epochs=10**6, device=device), data)
    next(records)
    return lambda: next(records)

def many_runs(data, k):
    "A whole run of `k` learning rates at once, 20 epochs with validation and records, as the sweep has it"
    recipes = [Recipe(lr=lr, device='cpu') for lr in torch.logspace(-2, 1, k).tolist()]
    return lambda: run_many(recipes, data)

def hand_epoch(data):
    params = init_params((784, 1), .01), init_params(1, .01)
    dl = TensorLoader(data.train_x, data.train_y)
    return lambda: loop.train_epoch(lambda xb: linear1(xb, *params), dl, 1., params)

def optim_epoch(data, dl):
    model = nn.Linear(28*28, 1)
    opt = BasicOptim(model.parameters(), 1.)
    return lambda: train_epoch(model, dl, opt)

def learner_epoch(data, dls):
    from fastai.learner import Learner
    from fastai.optimizer import SGD
    learn = Learner(dls, nn.Linear(28*28, 1), loss_func=mnist_loss, opt_func=SGD, metrics=batch_accuracy)
    def epoch():
        with learn.no_logging(): learn.fit(1, lr=1.)
    return epoch

def lists(data):
    "Ready batches"
    from fastai.data.core import DataLoaders
    return DataLoaders(list(TensorLoader(data.train_x, data.train_y)), list(TensorLoader(data.valid_x, data.valid_y)))

def pair_dls(data, loader):
    from fastai.data.core import DataLoaders
    return DataLoaders(*(pairs(x, y, loader) for x, y in ((data.train_x, data.train_y), (data.valid_x, data.valid_y))))

def process(code):
    "Seconds and peak resident MB of `python -c code`"
    code = f"{code}\nprint(next((l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')), 0))"
    start = time.perf_counter()
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout
    return time.perf_counter() - start, int(out.split()[-1])/1024

def processes(table, named, n):
    "Whole processes, in turn"
    for code in named.values(): process(code)
    runs = [{name: process(code) for name, code in named.items()} for _ in range(n)]
    first = next(iter(named))
    table.say('\n## Whole processes\n\n| what | s | ratio of time | MB at the peak | ratio of MB |\n| --- | ---: | ---: | ---: | ---: |')
    for name in named:
        t, mb = (statistics.median(r[name][i] for r in runs) for i in (0, 1))
        rt, rm = (statistics.median(r[name][i]/r[first][i] for r in runs) for i in (0, 1))
        table.say(f'| {name} | {t:.2f} | {rt:.2f} | {mb:.0f} | {rm:.2f} |')

def main():
    parser = ArgumentParser(description=__doc__)
    parser.add_argument('--quick', action='store_true', help='fewer repeats and smaller sizes: under a minute')
    quick = parser.parse_args().quick
    n, table, data = (5 if quick else 25), Table(), load_data('offline')
    table.say(f'{machine()}. Written by `python bench/run.py{" --quick" if quick else ""}`.')

    source, ours = source_epoch(data), TensorLoader(data.train_x, data.train_y)
    table.block('Training an epoch, without validation', 'ms an epoch', "the source's loop", source, {
        'our loop by hand (04)': hand_epoch(data), 'with an optimizer (05), our loader': optim_epoch(data, ours),
        "with an optimizer (05), torch's DataLoader": optim_epoch(data, pairs(data.train_x, data.train_y, DataLoader)),
        'the engine': engine_epoch(data), 'the engine, shuffled': engine_epoch(data, Recipe(shuffle=True))}, n,
        targets={'with an optimizer (05), our loader': '0.4 or less', 'the engine': '0.1 or less'})

    def read():
        data.train_x.sum(); data.train_x.sum()
    table.block('The engine beside reading', 'ms an epoch', 'reading the training set twice, as floats', read, {
        'the engine': engine_epoch(data), 'the engine, with validation and records': run_epoch(data)}, 2*n, targets={'the engine': '1.2 or less'})
    table.block('Shuffling', 'ms an epoch', 'the engine', engine_epoch(data), {'shuffled': engine_epoch(data, Recipe(shuffle=True))}, 2*n,
                targets={'shuffled': '1.5 or less'})

    table.block("fastai's Learner", 'ms an epoch', "over the source's DataLoader", learner_epoch(data, pair_dls(data, source_loader())), {
        "over torch's DataLoader": learner_epoch(data, pair_dls(data, DataLoader)),
        'over our loader': learner_epoch(data, get_dls(data)), 'over a list of ready batches': learner_epoch(data, lists(data))}, n,
        targets={'over our loader': '0.77 or less'})

    ks = (8, 64) if quick else (8, 64, 256)
    table.block('Many learning rates at once, 20 epochs', 'ms', '1', many_runs(data, 1), {f'{k}': many_runs(data, k) for k in ks}, n,
                targets={'64': '8 or less'})

    if torch.cuda.is_available():
        gpu, shuffled = data.to('cuda'), Recipe(shuffle=True)
        table.block('On the GPU', 'ms an epoch', 'the engine, each operation started by itself', engine_epoch(gpu, capture=False), {
            'as a CUDA graph': engine_epoch(gpu), 'shuffled, by itself': engine_epoch(gpu, shuffled, capture=False),
            'shuffled, as a CUDA graph': engine_epoch(gpu, shuffled), 'the lab: with validation and records': run_epoch(gpu, 'cuda'),
            'the same on the CPU': run_epoch(data)}, n, targets={'as a CUDA graph': '0.33 or less'})

    rows = sources.offline_rows()
    from PIL import Image
    pngs = []
    for row in rows[:2000]:
        f = io.BytesIO(); Image.fromarray(row.reshape(28, 28)).save(f, 'png'); pngs.append(f.getvalue())
    def decode():  # 2,000 pictures, as the whole set takes too long to repeat
        for raw in pngs: decode_image(raw, '')
    table.block('Loading data', 'ms', f'decoding 2,000 of {len(rows):,} PNGs', decode, {f'reading all {len(rows):,} from the cache': sources.offline_rows,
                'load_data, warm': lambda: load_data('offline')}, n, targets={f'reading all {len(rows):,} from the cache': f'{len(rows)/2000/20:.2f} or less: 20 times faster for the whole set'})

    table.say('\n## How the engine grows\n\n| images | batch size | models | ms an epoch | ns an image and model |\n| ---: | ---: | ---: | ---: | ---: |')
    big = torch.randint(256, (100_000 if quick else 1_000_000, 784), dtype=torch.uint8).float().div_(255)   # as pictures are
    labels = (torch.arange(len(big)) % 2).float()[:,None]
    grid = [(size, 256, None) for size in (1_000, 10_000, 100_000, 1_000_000)] + [(10_000, bs, None) for bs in (16, 64, 1024, 10_000)]
    for size, bs, k in grid + [(10_000, 256, k) for k in ks]:
        if size > len(big): continue
        part = Digits(big[:size], labels[:size], big[:10], labels[:10], 'synthetic')
        epoch = engine_epoch(part, Recipe(batch_size=bs), k, lr=1e-4)   # longer steps into noise saturate: numbers near 0 are slow
        epoch()
        t = statistics.median(timed(epoch) for _ in range(3 if size > 10**5 else 7))
        table.say(f'| {size:,} | {bs:,} | {k or 1} | {1e3*t:.2f} | {1e9*t/size/(k or 1):.0f} |')
    del big

    curve = 'from mnist_sgd.runs.engine import run; from mnist_sgd.runs.recipe import parse_recipe\n' \
            'from mnist_sgd.runs.record import Run; from mnist_sgd.lab.picture import run_svg\n' \
            'r = parse_recipe("epochs=20, source=offline"); run_svg(Run(r, tuple(run(r)), "cpu"))'
    processes(table, {'import torch': 'import torch', 'import the lessons (data to optimizer)': 'import mnist_sgd.optimizer',
                      'import the engine': 'import mnist_sgd.runs.engine', 'import the lab': 'import mnist_sgd.live',
                      'the first curve, 20 epochs': curve, 'import fastai, for comparison': 'import fastai.learner'}, 3 if quick else 7)
    table.keep('RESULTS.md', f'How fast, on {processor()}')

if __name__ == '__main__': main()
