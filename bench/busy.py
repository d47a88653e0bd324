"""What a busy machine costs: the sweep of lesson 08 with four other processes at work, as ratios in one run.

`python bench/busy.py`. Each figure is a process of its own, in turns, medians of five; quiet is without the four."""
import os, statistics, subprocess, sys
import torch

sweep = '''
import time, torch
from mnist_sgd.data import load_data
from mnist_sgd.runs.many import run_many
from mnist_sgd.runs.recipe import Recipe
data = load_data()
recipes = [Recipe(lr=10**(i/10 - 2), epochs=10) for i in range(41)]
run_many(recipes[:2], data)
start = time.perf_counter()
run_many(recipes, data)
print(time.perf_counter() - start)'''

def seconds(threads):
    "Seconds of the sweep in a process that starts with so many threads; None is PyTorch's default"
    env = {k: v for k, v in os.environ.items() if k not in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS')}
    if threads: env |= {'OMP_NUM_THREADS': str(threads)}
    return float(subprocess.run([sys.executable, '-c', sweep], env=env, capture_output=True, text=True, check=True).stdout.split()[-1])

def medians(busy, times=5):
    "Medians in seconds, with PyTorch's default number of threads and with one, beside `busy` other processes"
    others = [subprocess.Popen([sys.executable, '-c', 'while True: pass']) for _ in range(busy)]
    try: pairs = [(seconds(None), seconds(1)) for _ in range(times)]
    finally:
        for p in others: p.kill()
        for p in others: p.wait()
    return [statistics.median(s) for s in zip(*pairs)]

if __name__ == '__main__':
    print(f'torch {torch.__version__}, {torch.get_num_threads()} threads by default')
    for busy in (0, 4):
        default, one = medians(busy)
        print(f'{busy} other processes: default {default:.2f} s, one thread {one:.2f} s, ratio {default/one:.2f} (at most 1.5)')
