"The house keeps its rules: who may import whom, what stands at the top, how long a line is"
import ast, importlib, io, math, os, re, shutil, subprocess, sys, tokenize
import xml.etree.ElementTree as ET
from base64 import b64decode
from collections import Counter
from functools import cache
from pathlib import Path
import numpy as np, pytest
from importlinter import cli
from matplotlib.colors import to_hex
from PIL import Image
from pyflakes import checker, messages
from mnist_sgd.beyond import digit_epochs
from mnist_sgd.data import load_data
from mnist_sgd.lab.lab import Lab
from mnist_sgd.lab.picture import run_charts
from mnist_sgd.panels.beyond import DigitsPanel
from mnist_sgd.panels.live import Mystery
from mnist_sgd.runs.recipe import Recipe
from mnist_sgd.widgets.charts import chart_svg, charts_figure
from test_project import root, tool

library = [p for p in sorted((root/'mnist_sgd').rglob('*.py')) if p.name != '_modidx.py']

def test_contracts(monkeypatch, capsys):
    "The contracts of pyproject.toml are kept"
    monkeypatch.chdir(root)
    assert cli.lint_imports(config_filename='pyproject.toml', no_cache=True) == 0, capsys.readouterr().out

def test_top_level():
    "JupyterLab's file list shows the map, eleven lessons, six pages and ten folders"
    names = {p.stem for p in tool.nbs.glob('*.ipynb')}
    lessons = {n for n in names if re.match(r'\d\d_', n)}
    pages = {'index', 'bug_lab', 'misconceptions', 'from_the_book', 'glossary', 'lab', 'teacher'}
    assert len(lessons) == 11 and names - lessons == pages
    folders = {p.name for p in tool.nbs.iterdir() if p.is_dir() and not p.name.startswith('.')}
    assert folders == {'panels', 'exercises', 'lab', 'buglab', 'practice', 'runs', 'widgets', 'digits', 'machine', 'course'}

def test_same_place():
    "`mnist_sgd/a/b.py` comes from `nbs/a/b.ipynb`, and a lesson's module from the lesson"
    for f in library:
        if f.name.startswith('__'): continue
        origin = re.search(r'File to edit: (\S+)\.ipynb', f.read_text(encoding='utf-8'))[1]
        notebook = (f.parent/origin).resolve().relative_to(tool.nbs)
        assert notebook.with_name(re.sub(r'^\d\d_', '', notebook.name)) == f.relative_to(root/'mnist_sgd').with_suffix('')

def test_lines():
    "At most 3 lines of the library in 100 are longer than 100 columns; three lessons' modules fit on a screen each"
    lines = [line for f in library for line in f.read_text(encoding='utf-8').splitlines() if not line.startswith('__all__')]
    assert sum(len(line) > 100 for line in lines) <= .03*len(lines)
    for name in ('init', 'loss', 'grad'):
        assert len((root/'mnist_sgd'/f'{name}.py').read_text(encoding='utf-8').splitlines()) < 60

def test_names():
    "Every function has a name, known wrong answers included"
    nameless = [f'{f.stem}:{n.lineno}' for f in library for n in ast.walk(ast.parse(f.read_text(encoding='utf-8')))
                if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and n.name == '_']
    assert not nameless

own = [*library, *(p for folder in ('tests', 'tools', 'docs', 'bench') for p in sorted((root/folder).glob('*.py')))]
on_purpose = {('live.py', '.lab.lab.Lab'), ('learner.py', 'fastai.vision.learner'), ('test_learner.py', 'fastai.callback.hook'),
              *(('cells.py', name) for name in ('torch', 'fastai.optimizer', 'fastcore.test', 'matplotlib.pyplot', 'ipywidgets'))}

def idle(file, text):
    "Imports and variables in `text` that nothing uses, and names that are defined twice"
    kinds = messages.UnusedImport, messages.UnusedVariable, messages.RedefinedWhileUnused
    found = [m for m in checker.Checker(ast.parse(text), file.name).messages if isinstance(m, kinds)]
    return [f'{file.name}:{m.lineno}: {m.message % m.message_args}' for m in found if (file.name, m.message_args[0]) not in on_purpose]

def test_nothing_idle():
    "No import and no variable that nothing uses; what is imported for its effect, or to be found there, is named above"
    assert [line for f in own for line in idle(f, f.read_text(encoding='utf-8'))] == []
    text = 'import json\ndef f():\n    a = 1\n    return 2\ndef f(): return 3\n'
    assert sorted(re.search("'([^']+)'", line)[1] for line in idle(root/'x.py', text)) == ['a', 'f', 'json']

def bare_parameters(text, is_override=lambda cls, name: False):
    "Parameters of the public functions and methods in `text` without a type, or without words behind them"
    tree, tokens = ast.parse(text), tokenize.generate_tokens(io.StringIO(text).readline)
    comments = {t.start[0] for t in tokens if t.type == tokenize.COMMENT}
    defined = [(None, n) for n in tree.body] + [(c.name, n) for c in tree.body if isinstance(c, ast.ClassDef) for n in c.body]
    for cls, f in defined:
        if not isinstance(f, ast.FunctionDef) or f.name.startswith('_') and f.name != '__init__' or (cls or '').startswith('_'): continue
        if any(ast.unparse(d).startswith('exercise(') for d in f.decorator_list): continue   # an answer looks as a learner writes it
        a = f.args
        for p in [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, [a.vararg, a.kwarg])]:
            if p.arg in ('self', 'cls'): continue
            if p.annotation is None and p not in (a.vararg, a.kwarg): yield f'{f.name}: no type for {p.arg}'
            if p.end_lineno not in comments and not is_override(cls, f.name): yield f'{f.name}: no words behind {p.arg}'

def test_signatures():
    "Each parameter of a public function has its type, and behind it what it is; a method that fills in a base class's has its words there"
    bare = []
    for f in library:
        name = f.relative_to(root/'mnist_sgd').with_suffix('').as_posix()
        if f.name.startswith('__'): continue
        module = importlib.import_module('mnist_sgd.' + name.replace('/', '.'))
        def is_override(cls, method): return cls and method != '__init__' and any(method in vars(b) for b in getattr(module, cls).__mro__[1:])
        bare += [f'{name}.{line}' for line in bare_parameters(f.read_text(encoding='utf-8'), is_override)]
    assert bare == []
    text = 'def f(a, b:int): pass\ndef g(\n    a:int, # Words\n    *b,\n): pass\nclass C:\n    def __init__(self, x:int): pass\n@exercise(0)\ndef answer(x): pass\n@keep(1)\ndef h(x): pass\n'
    assert list(bare_parameters(text)) == ['f: no type for a', 'f: no words behind a', 'f: no words behind b', 'g: no words behind b',
                                           'h: no type for x', 'h: no words behind x', '__init__: no words behind x']

without_fastai = '''
import importlib, sys
for name in sys.argv[1:]: importlib.import_module(name)
assert not [m for m in sys.modules if m.split('.')[0] == 'fastai'], 'it is here'
importlib.import_module('mnist_sgd.learner')
assert 'fastai' in sys.modules
'''

def test_fastai_waits():
    "Only lesson 06 and its panel take the seconds that fastai needs to be imported"
    names = ['.'.join(f.relative_to(root).with_suffix('').parts) for f in library if not f.name.startswith('__')]
    names = [name for name in names if name not in ('mnist_sgd.learner', 'mnist_sgd.panels.learner')]
    res = subprocess.run([sys.executable, '-c', without_fastai, *names], cwd=root, capture_output=True, text=True)
    assert res.returncode == 0, res.stderr[-2000:]

without_matplotlib = '''
import base64, sys
from mnist_sgd.data import load_data
from mnist_sgd.live import Lab
from mnist_sgd.panels.live import Mystery
for panel in (Lab('lr=1, epochs=2'), Mystery(load_data())):
    panel.run()
    png = base64.b64decode(panel._repr_mimebundle_()['image/png'])
    assert png[:4] == b'\\x89PNG' and len(png) > 10_000
assert 'matplotlib' not in sys.modules, 'it is here'
'''

def test_matplotlib_waits():
    "The panels of lesson 07 draw their charts as SVG, and have the picture that stays in the notebook drawn by a process that ends"
    res = subprocess.run([sys.executable, '-c', without_matplotlib], cwd=root, env=os.environ | {'MNIST_SGD_DATA': 'offline'}, capture_output=True, text=True)
    assert res.returncode == 0, res.stderr[-2000:]

@cache
def functions(file):
    "First line, last line and name of each function and method in a file, but for nested ones"
    tree = ast.parse(open(file, encoding='utf-8').read())
    found = [n for c in tree.body for n in (c.body if isinstance(c, ast.ClassDef) else [c]) if isinstance(n, ast.FunctionDef)]
    return [(n.lineno, n.end_lineno, n.name) for n in found]

def function_around(frame):
    "File and name of the library's function in which `frame` is; None elsewhere, and in a property of `Recipe`"
    file, line = frame.f_code.co_filename, frame.f_lineno
    if Path(file) not in library: return None
    name = next((name for first, last, name in functions(file) if first <= line <= last), None)
    return name and not isinstance(getattr(Recipe, name, None), property) and (Path(file).stem, name)

def test_a_recipe_is_opened_once(monkeypatch):
    "From its text to the drawing after its run, at most 15 functions of the library read a recipe's fields; a nested one counts as the one around it"
    readers, fields = set(), set(Recipe.__dataclass_fields__)
    def read(self, name):
        frame = sys._getframe(1)
        while name in fields and not function_around(frame): frame = frame.f_back
        if name in fields: readers.add(function_around(frame))
        return object.__getattribute__(self, name)
    monkeypatch.setattr(Recipe, '__getattribute__', read)
    Lab('lr=1, epochs=1').run()
    assert ('engine', 'start') in readers and len(readers) <= 15, sorted(readers)

def test_door():
    "Each row of *Where do I change ...?* leads to files that hold the names it says"
    table = (root/'CONTRIBUTING.md').read_text(encoding='utf-8').split('\n## ')[1]
    rows = [row for row in table.splitlines() if row.startswith('| ') and '](' in row]
    assert len(rows) >= 9
    for row in rows:
        _, _, where, then, _ = row.split('|')
        files = [root/target for target in re.findall(r'\]\(([^)]+)\)', where + then)]
        texts = [f.read_text(encoding='utf-8') for f in files if f.is_file()]
        names = re.findall(r'`(\w+)`', where + then)
        assert all(f.exists() for f in files) and all(any(name in text for text in texts) for name in names if texts), row

new_field = "    decay: float = _field(0., 'share of a weight that is lost in a step', row=1, least=0, below=1, slider=dict(low=0., high=.5, step=.1))\n"
follows = '''
from mnist_sgd.data import load_data
from mnist_sgd.lab.lab import Lab
from mnist_sgd.runs.cli import make_parser
from mnist_sgd.runs.recipe import Recipe, parse_recipe, recipe_text
assert 'share of a weight that is lost' in make_parser().format_help()
assert make_parser().parse_args(['--decay', '.1']).decay == .1
assert parse_recipe('decay=0.1').decay == .1 and recipe_text(Recipe(decay=.1)) == 'lr=1, epochs=20, decay=0.1'
lab = Lab(data=load_data('offline'))
assert lab.controls['decay'].children[1].max == .5 and lab.controls['decay'] in lab.row.children[1].children
assert lab.run(epochs=1, decay=.2).recipe.decay == .2
try: Recipe(decay=1.)
except ValueError as e: assert str(e) == 'decay=1.0: give a number from 0 to below 1'
else: assert False
'''

def test_a_field_is_one_line(tmp_path):
    "A field that is added to `Recipe` has its option, its control in the lab, its words and its bounds"
    shutil.copytree(root/'mnist_sgd', tmp_path/'mnist_sgd', ignore=shutil.ignore_patterns('__pycache__'))
    recipe = tmp_path/'mnist_sgd'/'runs'/'recipe.py'
    text, line = recipe.read_text(encoding='utf-8'), '    momentum: float'
    assert text.count(line) == 1
    recipe.write_text(text.replace(line, new_field + line), encoding='utf-8')
    env = os.environ | dict(PYTHONPATH=str(tmp_path))
    res = subprocess.run([sys.executable, '-c', follows], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert res.returncode == 0, res.stderr


class Drawn:
    "What a reader sees of a chart; places are shares of its field, from 0 to 1"
    def __init__(self): self.words, self.curves, self.marks, self.bars, self.images, self.ticks, self.lines, self.squares = ([] for _ in range(8))

def hexed(style): return re.search(r'(?:fill|stroke):var\([\w-]+,(#\w+)\)', style)[1]

def pixels(png): return np.array(Image.open(io.BytesIO(png)).convert('RGB'))

def read_svg(text):
    "What is drawn in the SVG of a chart"
    seen, tree = Drawn(), ET.fromstring(text)
    def share(x, y): return (float(x) - 40)/220, (180 - float(y))/150
    for e in tree.iter():
        style = e.get('style', '')
        if e.tag == 'text':
            seen.words.append(e.text)
            if e.get('x') == '35': seen.ticks.append((share(40, float(e.get('y')) - 4)[1], e.text))
        if e.tag == 'polyline':
            color = None if e.get('data-run') else (hexed(style), bool(e.get('stroke-dasharray')))
            seen.curves.append((color, [share(*p.split(',')) for p in e.get('points').split()]))
        if e.tag == 'circle': seen.marks.append(('o', share(e.get('cx'), e.get('cy')), hexed(style)))
        if e.tag == 'image': seen.images.append(pixels(b64decode(e.get('href').split(',')[1])))
        if e.tag == 'rect': seen.squares.append(float(e.get('opacity')))
        if e.tag != 'path': continue
        if 'l8 8m0-8' in e.get('d'):
            x, y = map(float, re.match(r'M(\S+) (\S+?)l', e.get('d')).groups())
            seen.marks.append(('x', share(x + 4, y + 4), hexed(style)))
        if e.get('class') == 'here': seen.lines.append(share(re.match(r'M(\S+)', e.get('d'))[1], 0)[0])
        if e.get('class') == 'bars':
            seen.bars += [((float(x) - 40)/220, int(h)/150, hexed(style)) for x, h in re.findall(r'M(\S+) 180v-(\d+)', e.get('d'))]
    return seen

def read_axes(ax):
    "What is drawn in matplotlib's axes"
    seen, place = Drawn(), (ax.transData - ax.transAxes).transform
    legend = ax.get_legend().get_texts() if ax.get_legend() else []
    found = [ax.get_title('left'), ax.get_xlabel(), *(t.get_text() for t in [*ax.get_xticklabels(), *ax.get_yticklabels(), *ax.texts, *legend])]
    seen.words = [text.strip() for text in found if text]
    seen.ticks = [(place((0, y))[1], t.get_text()) for y, t in zip(ax.get_yticks(), ax.get_yticklabels())]
    for line in ax.lines:
        color = to_hex(line.get_color())
        if line.get_transform() != ax.transData: seen.lines.append(place((line.get_xdata()[0], 1))[0])
        elif line.get_marker() != 'None': seen.marks.append((line.get_marker(), *map(tuple, place(line.get_xydata())), color))
        else: seen.curves.append((None if line.get_alpha() else (color, line.is_dashed()), place(line.get_xydata()).tolist()))
    seen.bars = [(place((p.get_x(), 1))[0], place((0, p.get_height()))[1], to_hex(p.get_facecolor())) for p in ax.patches]
    shown = [np.array(i.get_array()) for a in (ax, *ax.child_axes) for i in a.images]
    seen.images = [rgb for rgb in shown if rgb.shape[2] == 3]
    seen.squares = [alpha for rgba in shown if rgba.shape[2] == 4 for alpha in rgba[:,:,3].ravel() if alpha]
    return seen

def near(a, b, x=.5/220 + 1e-6, y=.5/150 + 1e-6): return abs(a[0] - b[0]) <= x and abs(a[1] - b[1]) <= y

@pytest.fixture(scope='module')
def described():
    "Charts by what they show"
    lab = Lab(data=load_data('offline'))
    before, good = lab.run(lr=.3, epochs=5), lab.run(lr=1., epochs=70)
    bad, case = lab.run(loss='squared', lr=1., epochs=3), Mystery(lab.data)
    *_, digits = digit_epochs(epochs=2)
    return {'finished': run_charts(good, {1: before, 2: bad}), 'broken': run_charts(bad),
            'mystery': case.charts(case.run(batch=20, shuffle=True)), 'digits': DigitsPanel().charts(digits)}

@pytest.mark.parametrize('name', ['finished', 'broken', 'mystery', 'digits'])
def test_live_and_paper_agree(described, name):
    "SVG and matplotlib draw the same title, words, ticks, curves, marks, bars and images, in the same colours"
    charts = described[name]
    for chart, ax in zip(charts, charts_figure(charts).axes, strict=True):
        svg, paper = read_svg(chart_svg(chart)), read_axes(ax)
        assert svg.words[0] == paper.words[0] == chart.title
        assert Counter(svg.words) == Counter(paper.words)
        if not chart.table:
            assert [w for _, w in svg.ticks] == [w for _, w in paper.ticks]
            assert [h for h, _ in svg.ticks] == pytest.approx([h for h, _ in paper.ticks], abs=.004)
        assert [color for color, _ in svg.curves] == [color for color, _ in paper.curves]
        for (_, thinned), (_, full) in zip(svg.curves, paper.curves):
            rest = iter(full)                          # thinned, in the same order, with the same ends
            assert all(any(near(p, q) for q in rest) for p in thinned)
            assert near(thinned[0], full[0]) and near(thinned[-1], full[-1])
        wanted = [[v for v in c.values if math.isfinite(v)] for c in sorted(chart.curves, key=lambda c: not c.ghost)]
        assert [len(full) for _, full in paper.curves] == [len(w) for w in wanted if w]
        assert [(m, color) for m, _, color in svg.marks] == [(m, color) for m, _, color in paper.marks]
        assert all(near(p, q) for (_, p, _), (_, q, _) in zip(svg.marks, paper.marks))
        assert svg.lines == pytest.approx(paper.lines, abs=.003)
        assert [color for *_, color in svg.bars] == [color for *_, color in paper.bars]
        assert all(near(p, q, x=.01) for p, q in zip(svg.bars, paper.bars))
        assert svg.squares == pytest.approx(paper.squares, abs=.006)
        assert all((a == b).all() for a, b in zip(svg.images, paper.images, strict=True))
    crosses = [m for chart in charts for m, *_ in read_svg(chart_svg(chart)).marks if m == 'x']
    assert bool(crosses) == (name == 'broken')
