"What the benches share: times taken in turn, tables, what is said of the machine"
import os, platform, re, statistics, time
from pathlib import Path
import torch

def processor():
    cpu = platform.processor() or platform.machine()
    if Path('/proc/cpuinfo').exists():
        cpu = next((l.split(':')[1].strip() for l in Path('/proc/cpuinfo').read_text().splitlines() if l.startswith('model name')), cpu)
    return cpu

def machine():
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else 'none: the rows for a GPU are skipped'
    return f'{processor()}, {os.cpu_count()} cores, 1 thread; GPU {gpu}; Python {platform.python_version()}, torch {torch.__version__}'

def timed(f, stretch=1):
    "Seconds for one call of `f`, the mean of `stretch` in a row"
    start = time.perf_counter()
    for _ in range(stretch): f()
    return (time.perf_counter() - start)/stretch

def paired(reference, others, n, stretch=1):
    "Times of `reference` and of `others`, `{name: function}`, in turn: `{name: (median seconds, median ratio to the reference)}`"
    for f in (reference, *others.values()): f()
    times = [[timed(f, stretch) for f in (reference, *others.values())] for _ in range(n)]
    ref = [t[0] for t in times]
    rows = {name: (statistics.median(t[i] for t in times), statistics.median(t[i]/t[0] for t in times)) for i, name in enumerate(others, 1)}
    return statistics.median(ref), rows

class Table:
    "Rows as they come, printed and kept"
    def __init__(self): self.lines = []
    def say(self, line=''): self.lines.append(line); print(line, flush=True)
    def block(self, title, unit, reference_name, reference, others, n, scale=1e3, targets={}):
        ref, rows = paired(reference, others, *((max(3, n//3), 20) if unit == 'ms an epoch' else (n, 1)))
        self.say(f'\n## {title}\n\n| what | {unit} | ratio to the first row | must be |\n| --- | ---: | ---: | --- |')
        self.say(f'| {reference_name} | {scale*ref:.2f} | 1 | |')
        for name, (t, ratio) in rows.items(): self.say(f'| {name} | {scale*t:.2f} | {ratio:.3g} | {targets.get(name, "")} |')
        return rows

    def keep(self, name, title):
        "Write the lines as a part of a file of this folder; it takes the place of an older one of that title, and others stay"
        path = Path(__file__).parent/name
        parts = re.split('^(?=# )', path.read_text(encoding='utf-8'), flags=re.M) if path.exists() else []
        kept = [part.strip() for part in parts if part.strip() and part.splitlines()[0] != f'# {title}']
        lines = '\n'.join(self.lines).strip()
        path.write_text('\n\n'.join([*kept, f'# {title}\n\n{lines}']) + '\n', encoding='utf-8')
