"""Faster than an older build? `python bench/against.py OLD_REV [--quick]` prints a table of both builds, measured in turn

OLD_REV is a revision of this repository; it is unpacked into a temporary folder. Each build has processes of its own, which
take turns, so that a noisy machine disturbs both alike; one thread; medians. The time is that of the process on the CPU, and
the last column has the ratio by the clock as well. With --lab, both builds' bench/panel.py takes turns as well, in a browser, ten
minutes; the table is kept in bench/RESULTS.md. Images: those that MNIST_SGD_DATA names, else the built-in ones.
"""
import os, re, shutil, statistics, subprocess, sys, tarfile, tempfile
from argparse import ArgumentParser
from itertools import chain
from pathlib import Path
from tables import machine, processor, Table

root = Path(__file__).resolve().parent.parent

# What a process does that waits for the name of a row, does it, and says what it took. Names have moved since the oldest builds.
server = '''
import inspect, sys, time, torch
torch.set_num_threads(1)
try:
    from mnist_sgd.runs.closed import closed_epochs
    from mnist_sgd.runs.many import run_many
    from mnist_sgd.runs.recipe import Recipe
except ImportError:
    from mnist_sgd.engine import closed_epochs
    from mnist_sgd.recipe import Recipe
    from mnist_sgd.sweep import run_many
from mnist_sgd.data import TensorLoader, load_data
data = load_data()

def epochs(shuffle):
    w, b, dl = torch.zeros(784), torch.zeros(1), TensorLoader(data.train_x, data.train_y, 256, shuffle, 0)
    by_name = 'loss' in inspect.signature(closed_epochs).parameters
    training = closed_epochs('mnist_loss' if by_name else Recipe(), w, b, 1., dl)
    def twenty():
        for _ in range(20): next(training).item()
    return twenty
def rates(k):
    recipes = [Recipe(lr=lr, epochs=20, device='cpu') for lr in torch.logspace(-2, 1, k).tolist()]
    return lambda: run_many(recipes, data)
rows = dict(order=epochs(False), shuffled=epochs(True), one=rates(1), eight=rates(8), many=rates(64))
for do in rows.values(): do()
print('ready', flush=True)
for line in sys.stdin:
    start, cpu = time.perf_counter(), time.process_time()
    rows[line.strip()]()
    print(time.process_time() - cpu, time.perf_counter() - start, flush=True)
'''
first_use = '''
import os, time
from mnist_sgd.live import Lab
lab = Lab('lr=1, epochs=20')
lab.run()
'''
took = '''
since = time.clock_gettime(time.CLOCK_BOOTTIME) - int(open('/proc/self/stat').read().rsplit(')', 1)[1].split()[19])/os.sysconf('SC_CLK_TCK')
print(time.process_time(), since)'''
memory = '''
for i in range(20): lab.run(lr=1 + i/10)
held = dict(line.split()[:2] for line in open('/proc/self/smaps_rollup').read().splitlines()[1:])
print((int(held['Private_Clean:']) + int(held['Private_Dirty:']))/1e3*1.024, int(held['Pss:'])/1e3*1.024)'''

def environment(build):
    "For processes of `build`, a folder"
    threads = {name: '1' for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS')}
    return {'MNIST_SGD_DATA': 'offline'} | os.environ | threads | {'PYTHONPATH': str(build)}

def once(build, code):
    "The two numbers that a process of `build` prints"
    res = subprocess.run([sys.executable, '-c', code], env=environment(build), cwd=build, capture_output=True, text=True, check=True)
    return [float(x) for x in res.stdout.split()[-2:]]

class Server:
    "A process of `build` that times rows on request"
    def __init__(self, build):
        self.process = subprocess.Popen([sys.executable, '-c', server], env=environment(build), cwd=build, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        while (line := self.process.stdout.readline()) != 'ready\n':
            if not line: raise SystemExit(f'{build} cannot be timed')
    def __call__(self, row):
        print(row, file=self.process.stdin, flush=True)
        return [float(x) for x in self.process.stdout.readline().split()]
    def close(self):
        self.process.stdin.close()
        self.process.wait()

def pairs(old, new, n):
    "Medians of two functions in turn: old, new, their ratio; the first number of each, and then the second"
    times = [(old(), new()) for _ in range(n)]
    found = []
    for i in (0, 1):
        before, after = ([t[side][i] for t in times] for side in (0, 1))
        found.append([statistics.median(x) for x in (before, after, [a/b for a, b in zip(after, before)])])
    return found

def within(call, row, of, n):
    "Median ratio of `row` to `of` in one build, by CPU and by the clock"
    times = [(call(row), call(of)) for _ in range(n)]
    return [statistics.median(a[i]/b[i] for a, b in times) for i in (0, 1)]

def measure(old, new, quick):
    "The table's lines"
    n = 5 if quick else 15
    yield '| what | old | new | new/old | by the clock | at most |\n| --- | ---: | ---: | ---: | ---: | ---: |'
    sides = [Server(build) for build in (old, new)]
    for name, row in (('an epoch in file order', 'order'), ('an epoch, shuffled', 'shuffled')):
        cpu, clock = pairs(*(lambda s=s: s(row) for s in sides), n)
        yield f'| {name}, ms | {50*cpu[0]:.2f} | {50*cpu[1]:.2f} | {cpu[2]:.2f} | {clock[2]:.2f} | 0.75 |'
    for name, row in (('1', 'one'), ('8', 'eight'), ('64', 'many')):
        cpu, clock = pairs(*(lambda s=s: s(row) for s in sides), n)
        yield f'| 20 epochs of {name} learning rates, ms | {1e3*cpu[0]:.0f} | {1e3*cpu[1]:.0f} | {cpu[2]:.2f} | {clock[2]:.2f} | |'
    for name, row, most in (('8', 'eight', 2.5), ('64', 'many', 5)):
        (before, _), (after, clock) = (within(s, row, 'one', n) for s in sides)
        yield f'| {name} learning rates, in times of one | {before:.2f} | {after:.2f} | {after/before:.2f} | {clock:.2f} times | {most} times |'
    for s in sides: s.close()
    if not Path('/proc/self/smaps_rollup').exists(): return
    n = 3 if quick else 7
    cpu, clock = pairs(lambda: once(old, first_use + took), lambda: once(new, first_use + took), n)
    yield f'| first use: a process that imports the lab and draws a curve, s | {cpu[0]:.2f} | {cpu[1]:.2f} | {cpu[2]:.2f} | {clock[2]:.2f} | 0.7 |'
    private, share = pairs(lambda: once(old, first_use + memory), lambda: once(new, first_use + memory), 3)
    for name, (before, after, ratio) in (('private', private), ('share of all (PSS)', share)):
        yield f'| memory after 20 more runs, {name}, MB | {before:.0f} | {after:.0f} | {ratio:.2f} | | {"350" if name == "private" else ""} |'

panel_rows = {'one key press to changed pixels': 0.7, '30 events in a second, 40 epochs: last event to final curve': 0.6}

def in_browser(build):
    "Milliseconds of each of `panel_rows`, as the build's own bench/panel.py measures them"
    res = subprocess.run([sys.executable, 'bench/panel.py', '--quick'], env=environment(build), cwd=build, capture_output=True, text=True, check=True)
    return [float(re.search(rf'\| {row}.*?\| (\d+) ms', res.stdout)[1]) for row in panel_rows]

def measure_lab(old, new):
    "The lab's lines of the table"
    times = [[in_browser(build) for build in (old, new)] for _ in range(3)]
    for i, (row, most) in enumerate(panel_rows.items()):
        before, after = (statistics.median(t[side][i] for t in times) for side in (0, 1))
        yield f'| lab: {row}, ms | {before:.0f} | {after:.0f} | | {after/before:.2f} | {most} |'

def main():
    parser = ArgumentParser(description=__doc__)
    parser.add_argument('old', help='revision to compare with')
    parser.add_argument('--quick', action='store_true', help='fewer repeats')
    parser.add_argument('--lab', action='store_true', help='also the lab in a browser')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder)/'old.tar'
        subprocess.run(['git', 'archive', '-o', archive, args.old], cwd=root, check=True)
        with tarfile.open(archive) as tar: tar.extractall(Path(folder)/'old', filter='data')
        copies = [Path(folder)/name for name in ('old', 'new')]
        table = Table()
        table.say(f'{machine()}. Written by `python bench/against.py {args.old}{" --quick" if args.quick else ""}{" --lab" if args.lab else ""}`.\n')
        found = [measure(copies[0], root, args.quick)]
        if args.lab:                                           # panel.py writes a table, so into a copy
            shutil.copytree(root, copies[1], ignore=shutil.ignore_patterns('.git', 'node_modules', '.venv'))
            found.append(measure_lab(*copies))
        for line in chain(*found): table.say(line)
    table.keep('RESULTS.md', f'Against {args.old}, on {processor()}')

if __name__ == '__main__': main()
