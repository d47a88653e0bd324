"The house keeps its rules: who may import whom, what stands at the top, how long a line is"
import os, re, shutil, subprocess, sys
from pathlib import Path
from importlinter import cli
from test_project import root, tool

library = [p for p in sorted((root/'mnist_sgd').rglob('*.py')) if p.name != '_modidx.py']

def test_contracts(monkeypatch, capsys):
    "The contracts of pyproject.toml are kept"
    monkeypatch.chdir(root)
    assert cli.lint_imports(config_filename='pyproject.toml', no_cache=True) == 0, capsys.readouterr().out

def test_top_level():
    "JupyterLab's file list shows the map, ten lessons, four pages and eight folders"
    names = {p.stem for p in tool.nbs.glob('*.ipynb')}
    lessons = {n for n in names if re.match(r'0\d_', n)}
    assert len(lessons) == 10 and names - lessons == {'index', 'bug_lab', 'misconceptions', 'from_the_book', 'lab'}
    folders = {p.name for p in tool.nbs.iterdir() if p.is_dir() and not p.name.startswith('.')}
    assert folders == {'panels', 'exercises', 'lab', 'buglab', 'practice', 'runs', 'widgets', 'digits'}

def test_same_place():
    "`mnist_sgd/a/b.py` comes from `nbs/a/b.ipynb`, and a lesson's module from the lesson"
    for f in library:
        if f.name.startswith('__'): continue
        origin = re.search(r'File to edit: (\S+)\.ipynb', f.read_text(encoding='utf-8'))[1]
        notebook = (f.parent/origin).resolve().relative_to(tool.nbs)
        assert notebook.with_name(re.sub(r'^\d\d_', '', notebook.name)) == f.relative_to(root/'mnist_sgd').with_suffix('')

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
