"""What contributors do to all notebooks at once: `python tools/notebooks.py badges|tasks|run|strip|readme [names]`

badges   write the Colab and Kaggle badges and the install cell, from settings.ini
tasks    write the words of each exercise, as nbs/exercises/ has them, into the lesson that asks for it
run      run in a fresh kernel and keep the outputs, without what only a live kernel can show
strip    only drop what a live kernel can show: the rest of what `nbdev-clean` does
readme   render README.md from nbs/index.ipynb
"""
import os, re
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path
import nbformat

root = Path(__file__).resolve().parent.parent
nbs = root/'nbs'


def settings():
    "The package's metadata"
    config = ConfigParser(delimiters='=', interpolation=None)
    config.read(root/'settings.ini', encoding='utf-8')
    return config['DEFAULT']

def name_of(path):
    "A notebook's name: its path from nbs/, such as '03_grad' or 'runs/engine'"
    return path.relative_to(nbs).with_suffix('').as_posix()

def notebooks(names=()):
    "Paths of the notebooks whose names start with one of `names`, or of all"
    found = (f for f in sorted(nbs.rglob('*.ipynb')) if '.ipynb_checkpoints' not in f.parts)
    return [f for f in found if not names or name_of(f).startswith(tuple(names))]

def read(path): return nbformat.read(path, as_version=4)
def write(nb, path): path.write_text(nbformat.writes(nb, indent=1, sort_keys=True, ensure_ascii=False) + '\n', encoding='utf-8')


def badge_text(name):
    "Markdown of the badges of notebook `name`"
    cfg = settings()
    page = f"{cfg['user']}/{cfg['repo']}/blob/{cfg['branch']}/nbs/{name}.ipynb"
    return (f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
            f"(https://colab.research.google.com/github/{page})\n"
            f"[![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)]"
            f"(https://kaggle.com/kernels/welcome?src=https://github.com/{page})")

def install_code():
    "The cell that installs the package on Colab and Kaggle"
    cfg = settings()
    return (f"#| hide\n#@title Install the course where it is missing (Colab, Kaggle)\nfrom importlib.util import find_spec\n"
            f"if find_spec('{cfg['name']}') is None:\n"
            f"    get_ipython().run_line_magic('pip', 'install -q git+https://github.com/{cfg['user']}/{cfg['repo']}@{cfg['branch']}')\n"
            f"print('{cfg['name']} is here')")

folded = dict(cellView='form', jupyter=dict(source_hidden=True))

def badges(path):
    "Put badges and install cell into a notebook: in place of those that are there, or at its top"
    nb = read(path)
    badge = nbformat.v4.new_markdown_cell(badge_text(name_of(path)), id='badges')
    install = nbformat.v4.new_code_cell(install_code(), id='install', metadata=folded)
    for top, cell in enumerate((badge, install)):
        place = next((i for i, c in enumerate(nb.cells) if c.id == cell.id), None)
        if place is None: nb.cells.insert(top, cell)
        else:
            if cell is install: cell.outputs = nb.cells[place].outputs
            nb.cells[place] = cell
    write(nb, path)


def asked(nb):
    "The exercises that a lesson asks for: name, number, and the Markdown cell that says what to do"
    found = []
    for c in nb.cells:
        if number := re.match(r'\*\*(\d)\.\*\* ', c.source): latest = number[1], c
        if check := re.match(r'ex\.(\w+)\.check\(', c.source): found.append((check[1], *latest))
    return found

def task_text(path, name, number):
    "What a lesson says of exercise `name`: its number and the words of the exercise"
    exercises = import_module(f"mnist_sgd.exercises.{path.stem.split('_')[1]}")
    return f'**{number}.** {getattr(exercises, name).task}'

def tasks(path):
    "Write the words of the exercises into a lesson"
    nb = read(path)
    for name, number, cell in asked(nb): cell.source = task_text(path, name, number)
    if asked(nb): write(nb, path)

def strip(path):
    "Drop widget views and widget state, which mean nothing without the kernel that made them"
    nb = read(path)
    nb.metadata.pop('widgets', None)
    for cell in nb.cells:
        kept = []
        for out in cell.get('outputs', []):
            data = out.get('data', {})
            was_live = data.pop('application/vnd.jupyter.widget-view+json', None)
            if 'sgd-still' in ''.join(data.get('text/html', '')): del data['text/html']  # the image says the same
            if data or not was_live: kept.append(out)
        if 'outputs' in cell: cell.outputs = kept
    write(nb, path)

def _whole_streams(cell):
    "Join what a cell printed: a kernel may send it in pieces"
    outputs = []
    for out in cell.get('outputs', []):
        last = outputs[-1] if outputs else None
        if last and out.output_type == last.output_type == 'stream' and out.name == last.name: last.text += out.text
        else: outputs.append(out)
    if 'outputs' in cell: cell.outputs = outputs

def run(path):
    "Run a notebook top to bottom in a fresh kernel and keep its outputs"
    from nbclient import NotebookClient
    from nbdev.clean import nbdev_clean
    nb = read(path)
    print(name_of(path), flush=True)
    NotebookClient(nb, timeout=600, kernel_name='python3', store_widget_state=False, resources=dict(metadata=dict(path=str(path.parent)))).execute()
    for cell in nb.cells: _whole_streams(cell)
    write(nb, path)
    nbdev_clean(str(path))
    strip(path)


def readme_text():
    "What nbs/index.ipynb renders to"
    from nbconvert import MarkdownExporter
    from nbconvert.preprocessors import RegexRemovePreprocessor
    nb = read(nbs/'index.ipynb')
    nb.cells = [c for c in nb.cells if c.id != 'badges']
    nb.metadata['language_info'] = dict(name='python')
    exporter = MarkdownExporter(preprocessors=[RegexRemovePreprocessor(patterns=[r'#\| *hide\b'], enabled=True)])
    text, _ = exporter.from_notebook_node(nb)
    cfg = settings()
    chart = f"""![A hand drags lr: loss, accuracy and the image of the weights follow](../docs/images/drag_lr.svg)

[Drag it yourself, in the page](https://{cfg['user']}.github.io/{cfg['repo']}/): nothing to install."""
    text = text.replace('<!-- In README.md, the moving chart stands here -->', chart)
    def from_root(m):  # links are relative to nbs/ in the notebook, to the root in README.md
        target = m.group(2)
        if re.match(r'\w+:|#', target): return m.group(0)
        return f"{m.group(1)}({os.path.normpath(os.path.join('nbs', target))})"
    return re.sub(r'(\[[^\]]*\])\(([^)]+)\)', from_root, re.sub(r'\n{3,}', '\n\n', text)).strip() + '\n'

def main(argv=None):
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument('commands', nargs='+', help='badges, tasks, run, strip, readme, and names of notebooks such as 03_grad or runs/')
    args = parser.parse_args(argv).commands
    each = dict(badges=badges, tasks=tasks, run=run, strip=strip)
    names = [a for a in args if a not in each and a != 'readme']
    if len(names) == len(args): parser.error('say what to do: badges, tasks, run, strip or readme')
    for name in names:
        if not notebooks([name]): parser.error(f"no notebook's name starts with {name}")
    for command in args:
        if command == 'readme': (root/'README.md').write_text(readme_text(), encoding='utf-8')
        elif command in each:
            for path in notebooks(names): each[command](path)

if __name__ == '__main__': main()
