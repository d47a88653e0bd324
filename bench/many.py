"""Several processes, and images larger than memory: `python bench/many.py [--quick]` prints the tables and writes bench/MANY.md

Each process has one thread. Runs that are compared take turns, each in processes of its own, and a ratio is the median of the rounds' ratios.
The shards hold the same 8,192 digits over and over: how long a step takes does not depend on which digits are in it.
"""
import json, os, statistics, subprocess, sys, tempfile, time
from argparse import ArgumentParser
from tables import machine, paired, processor, Table
import torch
from mnist_sgd.data import Digits
from mnist_sgd.digits import shards
from mnist_sgd.loss import mnist_loss
from mnist_sgd.machine.threads import single_thread
from mnist_sgd.runs import ranks
from mnist_sgd.runs.engine import make_model, run
from mnist_sgd.runs.recipe import Recipe
from mnist_sgd.runs.shards import ShardLoader, open_shards, sharded_epochs

torch.set_num_threads(1)
numbers = dict(linear=785, net=23_581)

def write_shards(folder, images, some):
    "A folder of `images`, `some` of them over and over"
    shards.draw_images = lambda start, stop, seed: some[:stop - start]
    shards.make_shards(folder, images, min(100_000, images//4))
    return folder

def epochs_of_ours(data, recipe):
    records = run(recipe, data)
    next(records)
    return lambda: next(records)

def epochs_apart(data, recipe):
    "Each process trains on its part as if it were alone: what the exchange costs shows by leaving it out"
    model = make_model(recipe)
    w, b = (p.detach().view(-1) for p in model.parameters())
    dl = ShardLoader(data, recipe.batch_size, lanes=ranks.how_many())
    epochs = sharded_epochs(recipe.loss, w, b, recipe.lr, dl, lane=ranks.my_rank())
    return lambda: next(epochs)

def epochs_of_ddp(data, recipe):
    "The usual way: a model in `DistributedDataParallel`, given the same parts of the same batches"
    model = torch.nn.parallel.DistributedDataParallel(make_model(recipe))
    opt = torch.optim.SGD(model.parameters(), recipe.lr)
    dl = ShardLoader(data, recipe.batch_size, lanes=ranks.how_many())
    def epoch():
        for x, y, n in dl.shares(ranks.my_rank()):
            opt.zero_grad()
            mnist_loss(model(x), y).backward()
            opt.step()
    return epoch

def epochs_by_gloo(data, recipe):
    "As on several machines: gloo carries the sums"
    os.environ['LOCAL_WORLD_SIZE'] = '0'
    return epochs_of_ours(data, recipe)

ways = dict(ours=epochs_of_ours, gloo=epochs_by_gloo, apart=epochs_apart, ddp=epochs_of_ddp)

def times_of(f, n):
    "Seconds of `n` calls, shortest first"
    times = []
    for _ in range(n):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return sorted(times)

def work(args):
    "In each process: the best of a few epochs, and exchanges of the gradient alone, in seconds"
    ranks.join()
    data, recipe = open_shards(args.shards), Recipe(lr=.1, epochs=10**6, batch_size=args.batch, model=args.model, device='cpu')
    with single_thread():
        epoch = ways[args.way](data, recipe)
        epoch()
        found = dict(epoch=times_of(epoch, 3)[0], wire=times_of(lambda: ranks.sum_over_ranks(torch.zeros(numbers[args.model])), 200))
    if ranks.leads(): print(json.dumps(found), flush=True)
    ranks.leave()

def measure(way, size, folder, batch=8192, model='linear'):
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone', f'--nproc-per-node={size}', __file__, '--way', way,
               '--shards', str(folder), '--batch', str(batch), '--model', model]
    out = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | dict(OMP_NUM_THREADS='1')).stdout
    return json.loads(next(line for line in out.splitlines() if line.startswith('{')))

def machines(step, n, bits, latency=0.):
    "From how many machines on does an exchange in a ring take as long as the work that each has left of a `step`"
    m = 2
    while 2*(m - 1)*(latency + 32*n/m/bits) < step/m and m < 10**7: m = m*1.01 if m > 100 else m + 1
    return round(m)

def main():
    parser = ArgumentParser(description=__doc__)
    parser.add_argument('--quick', action='store_true', help='fewer images and rounds')
    for name in ('--way', '--shards', '--model'): parser.add_argument(name)
    parser.add_argument('--batch', type=int)
    args = parser.parse_args()
    if args.way: return work(args)
    images, rounds, table = (200_000, 2, Table()) if args.quick else (1_000_000, 5, Table())
    table.say(f'{machine()}. Written by `python bench/many.py{" --quick" if args.quick else ""}`. '
              f'Load of the machine when it began: {os.getloadavg()[0]:.1f} (on a quiet one it is below 0.5).')
    with tempfile.TemporaryDirectory() as d:
        some = shards.draw_images(0, 8192)
        whole, half, few = (write_shards(f'{d}/{n}', n, some) for n in (images, images//2, 100_000))
        runs = {'1 process': ('ours', 1, whole), '2 processes': ('ours', 2, whole),
                '2 processes, by gloo': ('gloo', 2, whole),
                '2 processes that exchange nothing': ('apart', 2, whole), '2 processes, DistributedDataParallel': ('ddp', 2, whole),
                '1 process, half of the images and of the batch': ('ours', 1, half, 4096)}
        found = [{name: measure(*way) for name, way in runs.items()} for _ in range(rounds)]
        table.say(f'\n## A line on {images:,} images in shards, batch 8,192\n\n| what | ms a step | speed, in ratio to 1 process | must be |\n| --- | ---: | ---: | --- |')
        steps, must = -(-images//8192), {'2 processes': '1.6 or more'}
        def median(f): return statistics.median(map(f, found))
        for name in runs:
            ms = median(lambda r: 1e3*r[name]['epoch']/steps)
            table.say(f'| {name} | {ms:.2f} | {median(lambda r: r["1 process"]["epoch"]/r[name]["epoch"]):.2f} | {must.get(name, "")} |')
        two, gloo, ddp, small = '2 processes', '2 processes, by gloo', '2 processes, DistributedDataParallel', '1 process, half of the images and of the batch'
        table.say(f'\n- Against DistributedDataParallel: {median(lambda r: r[ddp]["epoch"]/r[two]["epoch"]):.2f} times as fast (must be 1 or more).')
        table.say(f'- Weak scaling: two processes on twice the images take {median(lambda r: r[two]["epoch"]/r[small]["epoch"]):.2f} times as long as one.')
        for name, carrier in ((two, 'a mesh'), (gloo, 'gloo')):
            def microseconds(place): return round(median(lambda r: 1e6*r[name]['wire'][place]))
            table.say(f'- A sum of {numbers["linear"]} numbers ({4*numbers["linear"]:,} bytes, the gradient) over two processes by {carrier} takes '
                      f'{microseconds(100)} microseconds at the median on this machine, {microseconds(0)} at best, and one in ten takes over {microseconds(180)}.')

        data = open_shards(few)
        x = torch.cat([x for x, _, _ in ShardLoader(data, 8192).shares()])
        memory = Digits(x, (1 - torch.arange(len(x)) % 2).float()[:,None], data.valid_x, data.valid_y, 'memory')
        table.say('\n## Shards beside the same images in memory, one process\n\n| batch | order | speed of shards, in ratio to memory | must be |\n| ---: | --- | ---: | --- |')
        for batch in (256, 8192):
            for shuffle in (False, True):
                recipe = Recipe(lr=.1, epochs=10**6, batch_size=batch, shuffle=shuffle, device='cpu')
                _, rows = paired(epochs_of_ours(memory, recipe), dict(shards=epochs_of_ours(data, recipe)), 3 if args.quick else 9)
                table.say(f'| {batch:,} | {"shuffled" if shuffle else "file order"} | {1/rows["shards"][1]:.2f} | 0.7 or more |')

        line, net = median(lambda r: r['1 process']['epoch']/steps), measure('ours', 1, few, model='net')['epoch']/-(-100_000//8192)
    table.say(f'\n## On paper: how many machines before the wire takes half of the time\n\nA step of 8,192 images takes one process {1e3*line:.2f} ms for a line and '
              f'{1e3*net:.2f} ms for a net, as measured above; m machines take an m-th of that each. To add up n numbers of 4 bytes in a ring, each machine sends '
              '2(m-1) messages of n/m numbers. The last column adds an assumed 20 microseconds for each message, which no measurement here supports; it shows that the number of messages, not their size, is what counts for a line.')
    table.say('\n| numbers | Gbit/s | machines, by bytes alone | machines, with 20 microseconds a message |\n| ---: | ---: | ---: | ---: |')
    for step, n in ((line, 785), (net, 23_581)):
        for gigabits in (1, 100): table.say(f'| {n:,} | {gigabits} | {machines(step, n, gigabits*1e9):,} | {machines(step, n, gigabits*1e9, 20e-6):,} |')
    table.keep('MANY.md', f'Several processes, and shards, on {processor()}')

if __name__ == '__main__': main()
