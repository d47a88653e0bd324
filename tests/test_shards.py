"Shards and sweeps with real processes: each reads its own shards, memory stays small, a killed sweep goes on"
import csv, json, shutil, signal, subprocess, sys, time
from pathlib import Path
import pytest, torch
from mnist_sgd.data import load_data
from mnist_sgd.digits import shards
from mnist_sgd.optimizer import train_epoch
from mnist_sgd.runs.engine import start
from mnist_sgd.runs.many import run_many
from mnist_sgd.runs.processes import forked
from mnist_sgd.runs.recipe import Recipe, parse_recipe
from mnist_sgd.runs.shards import ShardLoader, open_shards
from mnist_sgd.runs.sweeps import sweep_recipes
from test_ranks import launch

pytestmark = pytest.mark.ci
recipes = ['lr=.3, batch_size=100', 'lr=.3, batch_size=101, shuffle=on, momentum=.5', 'lr=.1, batch_size=100, zero_grad=off',
           'lr=.3, batch_size=100, model=net, shuffle=on']

on_shards = '''
import os, sys, torch
from mnist_sgd.runs import ranks
from mnist_sgd.runs.engine import run
from mnist_sgd.runs.recipe import parse_recipe
from mnist_sgd.runs.shards import open_shards
ranks.join()
folder, *texts = sys.argv[1:]
data = open_shards(f"{folder}/{os.environ['RANK']}")
records = [list(run(parse_recipe(f'{text}, epochs=2'), data)) for text in texts]
if ranks.leads(): torch.save([[(r.train_loss, r.params) for r in rs] for rs in records], f'{folder}/out.pt')
ranks.leave()
'''

@pytest.mark.parametrize('size', [2, 3])
def test_each_reads_its_own(tmp_path, size):
    "Processes that have only their own shards on disk train as one process does that deals all shards out to as many lanes"
    whole = tmp_path/'whole'
    shards.make_shards(whole, 1350, 300)
    for rank in range(size):
        shutil.copytree(whole, tmp_path/str(rank))
        for number in range(5):
            if number % size != rank:
                for file in shards.shard_files(tmp_path/str(rank), number): file.unlink()
    (tmp_path/'program.py').write_text(on_shards, encoding='utf-8')
    p = launch('--standalone', f'--nproc-per-node={size}', *forked, tmp_path/'program.py', tmp_path, *recipes)
    said = p.communicate(timeout=300)[0]
    assert p.returncode == 0, said
    data = open_shards(whole)
    for text, found in zip(recipes, torch.load(tmp_path/'out.pt', weights_only=True), strict=True):
        recipe = parse_recipe(text)
        begun = start(recipe, data)
        dl = ShardLoader(data, recipe.batch_size, recipe.shuffle, recipe.seed, lanes=size)
        for loss, params in found[1:]:
            assert abs(train_epoch(begun.model, dl, begun.opt, begun.loss_func) - loss) < 1e-5, text
            for p, q in zip(params, begun.model.parameters()): assert torch.allclose(p, q, rtol=0, atol=1e-6), text

measured = '''
import sys, threading, time
def anonymous(): return next(int(line.split()[1])/1024 for line in open('/proc/self/smaps_rollup') if line.startswith('Anonymous'))
import torch
before, peak = anonymous(), 0
def watch():
    global peak
    while True:
        peak = max(peak, anonymous())
        time.sleep(.02)
threading.Thread(target=watch, daemon=True).start()
from mnist_sgd.runs.engine import run
from mnist_sgd.runs.recipe import parse_recipe
from mnist_sgd.runs.shards import open_shards
for _ in run(parse_recipe(sys.argv[2]), open_shards(sys.argv[1])): pass
print(peak - before)
'''

@pytest.fixture(scope='module')
def million(tmp_path_factory):
    "A million images on disk, the same few over and over: what is in them takes no memory"
    folder, some = tmp_path_factory.mktemp('million'), shards.draw_images(0, 16*512)
    with pytest.MonkeyPatch.context() as m:
        m.setattr(shards, 'draw_images', lambda start, stop, seed: some[:stop - start])
        shards.make_shards(folder, 1_000_000)
    yield folder
    shutil.rmtree(folder)

@pytest.mark.skipif(not Path('/proc/self/smaps_rollup').exists(), reason='no /proc/self/smaps_rollup')
@pytest.mark.parametrize('shuffle', ['off', 'on'])
def test_memory(million, shuffle):
    "Less than half a gigabyte, imports included, for images that would take 0.78 GB as bytes and 3.1 GB as floats"
    words = str(million), f'lr=.1, epochs=1, batch_size=8192, shuffle={shuffle}'
    out = subprocess.run([sys.executable, '-c', measured, *words], capture_output=True, text=True, check=True).stdout
    print(f'MB over import torch: {out}')
    assert float(out) < 500

options = '--lr', '0.01:100', '--count', 50, '--seeds', 4, '--epochs', 2, '--momentum', .5

def sweep_command(size, out, *more): return launch('--standalone', f'--nproc-per-node={size}', '-m', 'mnist_sgd', 'sweep', *options, *more, '--out', out)

def read(out):
    with open(out, newline='') as f: return list(csv.DictReader(f))

@pytest.fixture(scope='module')
def one_process():
    "The same recipes, trained by `run_many` all at once"
    return run_many(sweep_recipes(Recipe(epochs=2, momentum=.5, device='cpu'), .01, 100, 50, 4), load_data('offline'))

@pytest.mark.parametrize('size', [1, 2, 3])
def test_sweep(tmp_path, one_process, size):
    "One, two or three processes write the same table, that of `run_many` in one process, and a chart"
    p = sweep_command(size, tmp_path/'out.csv')
    said = p.communicate(timeout=300)[0]
    assert p.returncode == 0 and said.count('200 runs in') == 1, said
    rows = read(tmp_path/'out.csv')
    for row, run in zip(rows, one_process, strict=True):
        last = run.history[-1]
        assert (float(row['lr']), int(row['seed'])) == (run.recipe.lr, run.recipe.seed)
        assert abs(float(row['train_loss']) - last.train_loss) < 1e-3 and abs(float(row['accuracy']) - last.accuracy) < .002
    assert sorted(p.name for p in tmp_path.iterdir()) == ['out.csv', 'out.png']

def test_killed_sweep(tmp_path, one_process):
    "What a killed sweep had finished is kept and not trained again"
    out, kept = tmp_path/'out.csv', tmp_path/'out.csv.parts'
    p = subprocess.Popen([sys.executable, '-m', 'mnist_sgd', 'sweep', *map(str, options), '--source', 'offline', '--device', 'cpu', '--out', out])
    end = time.monotonic() + 200
    while not (kept/'00000.json').exists() and time.monotonic() < end: time.sleep(.005)
    p.send_signal(signal.SIGKILL)
    p.wait()
    assert not out.exists(), 'it was too fast to be killed'
    rows = json.loads((kept/'00000.json').read_text())
    (kept/'00000.json').write_text(json.dumps([{**row, 'accuracy': .123} for row in rows]))   # to know it again
    again = sweep_command(2, out, '--source', 'offline', '--device', 'cpu')
    said = again.communicate(timeout=300)[0]
    assert again.returncode == 0, said
    found = read(out)
    assert [float(row['accuracy']) for row in found[:64]] == [.123]*64
    for row, run in zip(found[64:], one_process[64:], strict=True): assert abs(float(row['accuracy']) - run.history[-1].accuracy) < .002
