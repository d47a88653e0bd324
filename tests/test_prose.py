"The prose keeps its word: what it names exists, and every lesson has all of its parts"
import ast, builtins, copy, importlib, keyword, re
from functools import lru_cache
import nbformat, pytest
from test_project import paths, root, tool

lessons = [p for p in paths if re.match(r'0\d_', p.name)]
each_lesson = pytest.mark.parametrize('path', lessons, ids=lambda p: p.stem)
words = {'N', 'nbdev_test', 'tgz', 'setup_book'}   # in backticks, and rightly no name of any code here
aliases = dict(nn='torch.nn', F='torch.nn.functional', plt='matplotlib.pyplot', np='numpy', w='ipywidgets', widgets='ipywidgets')


def prose(nb): return '\n\n'.join(c.source for c in nb.cells if c.cell_type == 'markdown' and c.id != 'badges')

def code(nb):
    "Source of the code cells, without magics and shell lines"
    cells = (c.source for c in nb.cells if c.cell_type == 'code' and c.id != 'install')
    return '\n'.join(line for source in cells for line in source.splitlines() if not re.match(r'\s*[%!]', line))

def in_backticks(text):
    "What stands in backticks in Markdown `text`, code blocks left out"
    return re.findall(r'(?<!`)`([^`\n]+)`(?!`)', re.sub(r'^```.*?^```', '', text, flags=re.M | re.S))

def identifiers(source):
    "All names that code defines or uses: variables, attributes, arguments, modules, keys"
    found = set()
    for node in ast.walk(ast.parse(source)):
        for field in ('id', 'attr', 'arg', 'name', 'asname', 'module'):
            value = getattr(node, field, None)
            if isinstance(value, str): found |= set(value.split('.'))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier(): found.add(node.value)
    return found

@lru_cache
def library():
    "The identifiers of each module of ours, by its name after `mnist_sgd.`"
    files = {f.relative_to(root/'mnist_sgd').with_suffix(''): f for f in (root/'mnist_sgd').rglob('*.py') if f.stem != '_modidx'}
    return {'.'.join(p.parts): identifiers(f.read_text(encoding='utf-8')) for p, f in files.items()}

@lru_cache
def parts():
    "Modules and folders of ours that stand right under `mnist_sgd`"
    return {name.split('.')[0] for name in library()}

@lru_cache
def others():
    "Names that Python, PyTorch and fastai have, and what can be asked of a tensor, a module, an optimizer, a Learner"
    import torch
    from fastai.callback.core import Callback
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner, Recorder
    import fastai.optimizer
    places = (builtins, torch, torch.Tensor, torch.nn, torch.nn.Module, torch.nn.functional, torch.optim, torch.optim.Optimizer,
              torch.utils.data, fastai.optimizer, Callback, DataLoaders, Learner, Recorder, str, list, dict)
    classes = {c.__name__ for c in (Callback, DataLoaders, Learner)}
    return {name for place in places for name in dir(place)} | classes | {*keyword.kwlist, *tool.settings()}

@lru_cache
def reached(dotted):
    "Does `dotted` lead somewhere, from a module that can be imported? None where its first part is no module that we know"
    first, *rest = dotted.split('.')
    if first in parts(): first = f'mnist_sgd.{first}'
    elif first not in {'torch', 'fastai', 'matplotlib', 'numpy', 'sklearn', 'mnist_sgd', *aliases}: return None
    place = importlib.import_module(aliases.get(first, first))
    for name in rest:
        if not hasattr(place, name):
            try: importlib.import_module(f'{place.__name__}.{name}')
            except (ImportError, AttributeError): return False
        place = getattr(place, name)
    return True

def to_be_written(text):
    "Names that an exercise asks for: Write `name(...)`, a class `Name(...)`, a callback named `Name`"
    asked = set(re.findall(r'[Ww]rite (?:a \w+ )?`(\w+)\(', text)) | set(re.findall(r'named `(\w+)`', text))
    return asked | {re.sub(r'(?<=[a-z])(?=[A-Z])', '_', name).lower() for name in asked}  # where a Learner keeps a callback

def unknown_names(nb):
    "What the prose has in backticks as a name or a call, and exists nowhere"
    text, own = prose(nb), identifiers(code(nb))
    known = own | {part for name in library() for part in name.split('.')} | set().union(*library().values()) | others() | words | to_be_written(text)
    def exists(dotted):
        "In a module, where its first part is one; else (as for `data`, module and variable) each part by itself"
        found = reached(dotted) if '.' in dotted else None
        if found is not None and not (found is False and dotted.split('.')[0] in parts()): return found
        return all(part in known for part in dotted.split('.'))
    problems = []
    for quoted in in_backticks(text):
        name = re.fullmatch(r'\.?([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(\(.*\))?', quoted)
        if not name or (root/quoted).exists() or (root/'nbs'/quoted).exists() or (root/'mnist_sgd'/quoted).exists(): continue
        keywords = re.findall(r'(\w+)=(?!=)', re.sub(r'"[^"]*"|\'[^\']*\'', '', name[2] or ''))
        if not exists(name[1]) or not set(keywords) <= known: problems.append(quoted)
    return problems

def missing_parts(nb):
    "What a lesson should have and this one has not"
    text = prose(nb)
    section = {title: re.search(rf'^## {title}\n(.*?)(?=^## |\Z)', text, flags=re.M | re.S) for title in ('In short', 'Exercises')}
    def lines(title, start): return len(re.findall(start, section[title][1], flags=re.M)) if section[title] else 0
    there = {'a title and a subtitle': re.match(r'# \S.*\n\n> \S', text),
             'a question in italics in its opening': re.search(r'(?<!\*)\*[A-Z][^*]+\?\*', text.split('\n## ')[0]),
             'a guess for the learner to make': re.search(r'\b[Gg]uess', text),
             '## In short, with three bullets': lines('In short', r'^- \S') >= 3,
             '## Exercises, three or more, numbered': lines('Exercises', r'^\*\*\d\.\*\* \S') >= 3,
             'three exercises or more with a checker': len(set(re.findall(r'^ex\.(\w+)\.check\(', code(nb), flags=re.M))) >= 3,
             'a link on, at the end': re.match(r'Next: \[\w+\]\(\w+\.ipynb\)', text.strip().split('\n\n')[-1])}
    return [part for part, ok in there.items() if not ok]

def words_per_line(nb):
    "Words of prose for each line of code"
    text = re.sub(r'\]\([^)]*\)', ']', prose(nb))
    lines = [line for line in code(nb).splitlines() if line.strip() and not line.strip().startswith('#')]
    return len(re.findall(r'[^\W_][\w\'.-]*', text)) / max(len(lines), 1)


@pytest.mark.parametrize('path', paths, ids=tool.name_of)
def test_names_exist(path):
    "Every name in backticks is one of ours, of Python's, PyTorch's or fastai's, or of the notebook's own code"
    assert not unknown_names(tool.read(path))

@each_lesson
def test_parts(path): assert not missing_parts(tool.read(path))

@each_lesson
def test_more_prose_than_code(path): assert words_per_line(tool.read(path)) >= 2

@each_lesson
def test_tasks(path):
    "A lesson asks for an exercise in the exercise's own words, which `ex.NAME` shows as well"
    asked = tool.asked(tool.read(path))
    assert len(asked) >= 3
    for name, number, cell in asked: assert cell.source == tool.task_text(path, name, number), 'run: python tools/notebooks.py tasks'

def test_ten_lessons(): assert len(lessons) == 10


# The checks above are checked: each damage must be seen

good = nbformat.v4.new_notebook(cells=[
    nbformat.v4.new_markdown_cell('# A title\n\n> A subtitle\n\n*Is it so?* Guess. A `Recipe` has an `lr`, `nn.Linear` a `weight`, and `opt.step()` moves `.grad`.'),
    nbformat.v4.new_code_cell('%matplotlib inline\nopt = BasicOptim(params, lr=1.)\nopt.step()'),
    nbformat.v4.new_markdown_cell('## In short\n\n- One.\n- Two.\n- Three.'),
    nbformat.v4.new_markdown_cell('## Exercises\n\n**1.** The first of three.\n\n**2.** The second of three.'),
    nbformat.v4.new_code_cell('ex.one.check(one)\nex.two.check(two)\nex.three.check(three)'),
    nbformat.v4.new_markdown_cell('**3.** The third of three.\n\nNext: [b](b.ipynb), where it goes on.')])

def damaged(old, new):
    nb = copy.deepcopy(good)
    cells = [c for c in nb.cells if old in c.source]
    assert cells, old
    for c in cells: c.source = c.source.replace(old, new)
    return nb

def test_good_is_good(): assert not unknown_names(good) and not missing_parts(good) and words_per_line(good) >= 2

@pytest.mark.parametrize('name', ['calc_gard', 'calc_gard()', 'loop.train_epohc', 'optimizer.BasicOptim.stpe()', 'nn.Linaer', 'torch.bakward()',
                                  'torch.optim.SDG', 'opt.zero_gard()', '.grda', 'Learnre', 'validate_epoch(exatc=False)', 'fastai.lerner'])
def test_misspelt_name_is_seen(name): assert unknown_names(damaged('`Recipe`', f'`{name}`')) == [name]

@pytest.mark.parametrize('name', ['calc_grad', 'loop.train_epoch', 'optimizer.BasicOptim.step()', 'torch.optim.SGD', 'validate_epoch(exact=False)',
                                  'Learner', 'fastai.learner', '.grad.zero_()', 'w = w - lr*g', '[N,784]', 'pip install x', 'README.md', '03_grad'])
def test_right_name_is_left_alone(name): assert not unknown_names(damaged('`Recipe`', f'`{name}`'))

def test_renamed_in_the_code_is_seen():
    "A name of the notebook's own that the code no longer has"
    nb = damaged('`Recipe`', '`wobble`')
    assert unknown_names(nb) == ['wobble']
    nb.cells[1].source += '\nwobble = 1'
    assert not unknown_names(nb)

@pytest.mark.parametrize('old, new, part', [
    ('> A subtitle', 'A subtitle', 'subtitle'), ('# A title', 'A title', 'title'), ('*Is it so?*', 'It is so.', 'question'),
    ('Guess.', '', 'guess'), ('## In short', '## Summary', 'In short'), ('- Three.', '', 'In short'),
    ('## Exercises', '## More', 'Exercises'), ('**3.** The third', 'The third', 'Exercises'), ('**2.** The', '2. The', 'Exercises'),
    ('ex.three.check(three)', '', 'checker'), ('ex.three', 'ex.two', 'checker'), ('ex.two.check(two)', 'two()', 'checker'), ('Next: [b]', 'See [b]', 'link on')])
def test_missing_part_is_seen(old, new, part): assert any(part in p for p in missing_parts(damaged(old, new)))

def test_much_code_is_seen(): assert words_per_line(damaged('opt.step()', 'opt.step()\n'*40)) < 2
