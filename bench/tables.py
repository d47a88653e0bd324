"What the benches say of the machine, and where they leave their tables"
import os, platform, re
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

def keep(name, title, text):
    "Write a part of a file of this folder; it takes the place of an older one of that title, and others stay"
    path = Path(__file__).parent/name
    parts = re.split('^(?=# )', path.read_text(encoding='utf-8'), flags=re.M) if path.exists() else []
    kept = [part.strip() for part in parts if part.strip() and part.splitlines()[0] != f'# {title}']
    path.write_text('\n\n'.join([*kept, f'# {title}\n\n{text.strip()}']) + '\n', encoding='utf-8')
