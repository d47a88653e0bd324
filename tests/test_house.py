"The house keeps its rules: who may import whom, what stands at the top, how long a line is"
import ast, re
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
