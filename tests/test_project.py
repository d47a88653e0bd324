"The repository agrees with itself: version, badges, README, links, notebooks' outputs"
import ast, json, os, re, shutil, subprocess, sys
from importlib.metadata import requires, version
from pathlib import Path
import pytest

root = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root/'tools'))
import notebooks as tool

paths = tool.notebooks()
lessons_and_pages = [p for p in paths if p.parent == tool.nbs]
each_notebook = pytest.mark.parametrize('path', paths, ids=tool.name_of)

def code_cells(nb): return [c for c in nb.cells if c.cell_type == 'code']

def test_version():
    import mnist_sgd
    assert mnist_sgd.__version__ == version('mnist_sgd') == tool.settings()['version'], 'install again: pip install -e .'

def test_changelog_has_version():
    assert f"## {tool.settings()['version']}" in (root/'CHANGELOG.md').read_text(encoding='utf-8')

@pytest.mark.parametrize('name', ['torch', 'fastai', 'fastcore', 'numpy', 'ipywidgets'])
def test_old_versions_are_named(name, monkeypatch):
    "An older one than settings.ini asks for is refused in one sentence, by name and with the cure"
    import mnist_sgd
    monkeypatch.setattr(mnist_sgd, 'version', lambda asked: '0.9.1' if asked == name else version(asked))
    with pytest.raises(ImportError, match=rf"needs {name}>=\S+, and version 0\.9\.1 is installed: run pip install -U '{name}>="):
        mnist_sgd._check_versions()

def test_newer_versions_are_taken(monkeypatch):
    import mnist_sgd
    monkeypatch.setattr(mnist_sgd, 'version', lambda asked: '99.0.dev3+cpu')
    mnist_sgd._check_versions()

def test_requirements():
    "The library imports nothing that it does not require"
    names = {re.match(r'[\w-]+', r)[0] for r in requires('mnist_sgd') if 'extra ==' not in r}
    known = {'sklearn': 'scikit-learn', 'PIL': 'pillow'}
    imported = set()
    for f in (root/'mnist_sgd').rglob('*.py'):
        for node in ast.walk(ast.parse(f.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Import): imported |= {a.name.split('.')[0] for a in node.names}
            if isinstance(node, ast.ImportFrom) and not node.level: imported.add(node.module.split('.')[0])
    imported -= set(sys.stdlib_module_names) | {'mnist_sgd', 'IPython'}  # IPython is asked for, and done without
    assert {known.get(n, n) for n in imported} <= names

@each_notebook
def test_badges(path):
    "Colab and Kaggle badges and the install cell say what settings.ini says, and no code runs before the latter"
    nb = tool.read(path)
    badge = next(c for c in nb.cells if c.id == 'badges')
    assert badge.source == tool.badge_text(tool.name_of(path)), 'run: python tools/notebooks.py badges'
    assert code_cells(nb)[0].source == tool.install_code(), 'run: python tools/notebooks.py badges'

def test_badges_follow_settings(monkeypatch):
    settings = dict(tool.settings(), user='somebody-else')
    monkeypatch.setattr(tool, 'settings', lambda: settings)
    assert 'somebody-else/mnist_sgd' in tool.badge_text('00_data') and 'somebody-else' in tool.install_code()

def test_readme():
    assert (root/'README.md').read_text(encoding='utf-8') == tool.readme_text(), 'run: python tools/notebooks.py readme'

@each_notebook
def test_outputs(path):
    "Outputs are there, and hold no error, warning, path, address, timing or live widget"
    nb = tool.read(path)
    assert any(c.outputs for c in code_cells(nb)), 'run: python tools/notebooks.py run'
    assert 'widgets' not in nb.metadata
    for cell in code_cells(nb):
        for out in cell.outputs:
            assert out.output_type != 'error' and out.get('name') != 'stderr', cell.source
            assert not any('widget-view' in mime for mime in out.get('data', {})), 'run: python tools/notebooks.py strip'
            text = json.dumps({k: v for k, v in out.items() if k != 'data'} | {k: v for k, v in out.get('data', {}).items() if k.startswith('text')})
            found = re.search(r'(?<![\w.])/(?:home|root|tmp|opt|usr|work|Users)/|0x[0-9a-f]{6,}|Warning|\d\d:\d\d|\d ?ms\b', text)
            assert not found, f'{found[0]!r} in the output of {cell.source}'

@each_notebook
def test_style(path):
    "Lines end by column 120; a title, a subtitle, and at most 60 cells in the open before the exercises"
    nb = tool.read(path)
    long = [line for c in code_cells(nb) if c.id != 'install' for line in c.source.splitlines() if len(line) > 120]
    assert not long
    title = next(c.source for c in nb.cells if c.cell_type == 'markdown' and c.id != 'badges')
    assert re.match(r'# \S.*\n\n> \S', title)
    to_read = [c for c in nb.cells if not c.metadata.get('jupyter', {}).get('source_hidden')]
    ends = [i for i, c in enumerate(to_read) if c.source.startswith('## Exercises')] or [len(to_read)]
    assert ends[0] <= 60

@pytest.mark.parametrize('path', [*paths, root/'README.md', root/'CONTRIBUTING.md'], ids=lambda p: p.relative_to(root).as_posix())
def test_links(path):
    "Links within the repository lead somewhere"
    text = path.read_text(encoding='utf-8')
    if path.suffix == '.ipynb': text = '\n'.join(c.source for c in tool.read(path).cells if c.cell_type == 'markdown')
    for target in re.findall(r'\]\(([^)#\s]+)', text):
        if not re.match(r'\w+:', target): assert (path.parent/target).exists(), target

def test_no_notebook_is_named_wrongly():
    assert tool.notebooks(['00'])[0].name == '00_data.ipynb'
    with pytest.raises(SystemExit): tool.main(['strip', '99_nothing'])

@pytest.mark.ci
def test_clean_and_export_change_nothing(tmp_path):
    "`nbdev-clean`, `nbdev-export` and the widget strip leave the tree as it is"
    copy = tmp_path/'copy'
    shutil.copytree(root, copy, ignore=shutil.ignore_patterns('.git', '.venv', '*.egg-info', '__pycache__', 'build', '.pytest_cache'))
    def files(d): return {p.relative_to(d): p.read_bytes() for n in ('nbs', 'mnist_sgd') for p in (d/n).rglob('*') if p.suffix in ('.py', '.ipynb')}
    before = files(root)
    env = {k: v for k, v in os.environ.items() if k != 'IN_TEST'}
    for cmd in (['nbdev-clean'], ['nbdev-export'], [sys.executable, 'tools/notebooks.py', 'strip', 'badges']):
        subprocess.run(cmd, cwd=copy, check=True, env=env)
    after = files(copy)
    assert sorted(after) == sorted(before)
    assert not [str(p) for p in before if after[p] != before[p]]
