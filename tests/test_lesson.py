"A lesson as a learner meets it: what is open and what is folded, no answer before its question, no term before it is met"
import ast, copy, re
import nbformat, pytest
from test_project import code_cells, lessons_and_pages, tool

turned = ['00_data', '01_init', '02_loss', '03_grad', '04_loop']   # lessons that keep these rules; 05 to 10 have a test of their own
paths = [tool.nbs/f'{name}.ipynb' for name in turned]
each_lesson = pytest.mark.parametrize('path', paths, ids=tool.name_of)
order = [tool.name_of(p) for p in tool.notebooks(['0', '1'])]


def story(nb):
    "The cells before the exercises"
    ends = [i for i, c in enumerate(nb.cells) if c.source.startswith('## Exercises')]
    return nb.cells[:ends[0]]

def is_folded(cell): return cell.metadata.get('jupyter', {}).get('source_hidden', False)
def is_covered(cell): return cell.metadata.get('jupyter', {}).get('outputs_hidden', False)
def is_answer(cell): return cell.cell_type == 'markdown' and cell.source.startswith('<details>')
def open_code(nb): return [c for c in story(nb) if c.cell_type == 'code' and not is_folded(c)]
def lines_of(source): return [line for line in source.splitlines() if line.strip() and not line.startswith('#|')]

def test_code(source):
    "Line numbers of asserts, and of calls of `test_eq` and its like"
    def proves(node):
        name = getattr(node.value.func, 'id', '') if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else ''
        return isinstance(node, ast.Assert) or name.startswith('test_')
    return {n for node in ast.walk(ast.parse(source)) if proves(node) for n in range(node.lineno, node.end_lineno + 1)}
test_code.__test__ = False

def without_words(nb):
    "Folded cells that do not say in their first line what they are"
    return [c.id for c in story(nb) if c.cell_type == 'code' and is_folded(c) and test_code(c.source)
            and not c.source.startswith('# checked: ')]

def first_screen(nb):
    "What is wrong with the first cells: title, question, minutes, then something to see, and all code folded"
    title, code = nb.cells[0], code_cells(nb)[:2]
    rules = {'the title comes first': re.match(r'# \S.*\n\n> \S', title.source),
             'a question, before anything else': re.search(r'\n\n\*[A-Z][^*]+\?\*', title.source),
             'how many minutes, what you need, what you can do afterwards':
                 re.search(r'\*\*\d+ minutes\.\*\* You need .+Afterwards you can ', title.source),
             'at most 110 words': len(title.source.split()) <= 110,
             'install cell and something to see come next, folded': nb.cells[1:3] == code and all(map(is_folded, code)),
             'it says in its line what it is': code[1].source.startswith('# ')}
    return [rule for rule, kept in rules.items() if not kept]

def shown_too_early(nb):
    """Cells that answer a question while it is being asked, each with its question

    A question is a gate (`x = predict(...)`), goals (**Your goal**), or words at the end of a cell that ask for a guess. Its
    answer is what the code after it prints, down to `x.reveal(...)` where there is a gate, and the prose after that.
    """
    cells, found = story(nb), []
    for i, cell in enumerate(cells):
        gate = re.match(r'(\w+) = predict\(', cell.source) if cell.cell_type == 'code' else None
        last = cell.source.strip().split('\n\n')[-1]
        asks = cell.cell_type == 'markdown' and i and not is_answer(cell) and re.search(r'\b[Gg]uess\b|Before you run|Which will it', last)
        goals = cell.cell_type == 'markdown' and re.search(r'\*\*Your goal|goals, with a guess', cell.source)
        following = cells[i+1:]
        if gate:
            ends = [j for j, c in enumerate(following) if re.search(rf'^{gate[1]}\.reveal\(', c.source, flags=re.M)]
            if not ends: found.append((cell.id, 'no reveal')); continue
            code, rest = following[:ends[0]], following[ends[0] + 1:]
        elif goals: code, rest = [], following[1:]                     # the panel itself
        elif asks:
            if re.match(r'\w+ = predict\(', following[0].source): continue   # the gate asks
            end = next(j for j, c in enumerate(following) if c.cell_type == 'markdown')
            code, rest = following[end-1:end], following[end:]          # the last one answers, others define what it needs
        else: continue
        found += [(cell.id, c.id) for c in code if c.cell_type == 'code' and not is_covered(c) and not is_folded(c)]
        said = next(c for c in rest if c.cell_type == 'markdown')
        if not is_answer(said): found.append((cell.id, said.id))
        for c in rest[rest.index(said) + 1:]:                          # what is checked there may print the answer
            if c.cell_type == 'markdown': break
            if 'print(' in c.source and not is_covered(c): found.append((cell.id, c.id))
    return found

def told_by_the_fold(nb):
    """Covered cells whose output is not seen to start with a chart or with "What happened:"

    JupyterLab shows the first line of text of an output that is folded.
    """
    def tells(cell):
        said = re.search(r'\bprint\(f?["\'](.*?)["\']', cell.source) or re.search(r'\bprint\((.*)', cell.source)
        quiet = cell.source.rstrip().endswith(';') or not lines_of(cell.source)[-1:] or re.match(r'\s', lines_of(cell.source)[-1])
        return not said[1].startswith('What happened:') if said else not quiet
    return [c.id for c in nb.cells if c.cell_type == 'code' and is_covered(c) and tells(c)]

def glossary():
    "Where each term is met, by term"
    text = next(c.source for c in tool.read(tool.nbs/'glossary.ipynb').cells if c.id == 'terms')
    return dict(re.findall(r'^\| ([^|]+?) \| [^|]+ \| \[\w+\]\((\w+)\.ipynb\) \|$', text, flags=re.M))

def spoken(nb):
    "What a lesson says after its first cell, without targets of links and what is in backticks"
    text = '\n\n'.join(c.source for c in nb.cells[1:] if c.cell_type == 'markdown' and c.id != 'badges')
    return ' '.join(re.sub(r'`[^`\n]+`', '`_`', text).split())

def used_too_early(term, home, texts):
    "Lessons that use `term` before it is explained, where it stands in bold and is linked to the glossary; `texts` by lesson, in order"
    word = rf'\b{re.escape(term)}' + (r'\b' if ' ' in term else r'\w*')    # weight, weights; in place, but not in places
    for name, text in texts.items():
        if name == home:
            first = re.search(rf'\[\*\*[^*]*{word}[^*]*\*\*\]\(glossary\.ipynb\)', text, flags=re.I)
            before = text[:first.start()] if first else text
            return [f'{name} does not explain it' if not first else f'{name}: ...{before[m.start()-40:]}'
                    for m in [re.search(word, before, flags=re.I)] if m or not first]
        if found := re.search(word, text, flags=re.I): return [f'{name}: ...{text[max(found.start()-40, 0):found.end()]}']
    return [f'there is no lesson {home}']


@each_lesson
def test_first_screen(path): assert not first_screen(tool.read(path))

@each_lesson
def test_first_output_is_seen(path):
    "The first thing to see is kept in the notebook as an image"
    assert any('image/png' in out.get('data', {}) for out in code_cells(tool.read(path))[1].outputs)

@each_lesson
def test_open_code(path):
    "At most 12 lines of code in an open cell, and 15 lines in a lesson that test"
    nb = tool.read(path)
    assert not [(c.id, n) for c in open_code(nb) if (n := len(lines_of(c.source))) > 12]
    assert sum(len(test_code(c.source)) for c in open_code(nb)) <= 15

@each_lesson
def test_checks_are_named(path): assert not without_words(tool.read(path))

@each_lesson
def test_no_answer_is_seen(path): assert not shown_too_early(tool.read(path))

@pytest.mark.parametrize('path', lessons_and_pages, ids=tool.name_of)
def test_folds_tell_nothing(path): assert not told_by_the_fold(tool.read(path))

@each_lesson
def test_three_questions(path):
    "Three questions at the end, each with an answer that is folded"
    asked = next(c.source for c in story(tool.read(path)) if c.source.startswith('## Three questions'))
    assert len(re.findall(r'^\d\. .+\? <details><summary>Answer</summary>.+</details>$', asked, flags=re.M)) == 3

@pytest.mark.parametrize('term', [t for t, home in glossary().items() if home in turned])
def test_no_term_before_it_is_met(term):
    texts = {name: spoken(tool.read(tool.nbs/f'{name}.ipynb')) for name in order if name <= max(turned)}
    assert not used_too_early(term, glossary()[term], texts)

@pytest.mark.parametrize('term', [t for t, home in glossary().items() if home not in turned])
def test_late_term_is_explained(term):
    "In bold, and linked to the glossary, in the lesson that the glossary names"
    text = ' '.join(c.source for c in tool.read(tool.nbs/f'{glossary()[term]}.ipynb').cells if c.cell_type == 'markdown')
    assert re.search(rf'\[\*\*{re.escape(term)}s?\*\*\]\(glossary\.ipynb\)', text, flags=re.I)

def test_glossary():
    "In order, and each term is met in a lesson that has it"
    terms = glossary()
    assert len(terms) >= 30 and [*terms] == sorted(terms, key=str.lower)
    for term, home in terms.items():
        if home in turned: assert re.search(term, spoken(tool.read(tool.nbs/f'{home}.ipynb')), flags=re.I), term


# The checks are checked

def cell(source, **jupyter): return nbformat.v4.new_code_cell(source, metadata=dict(jupyter=jupyter) if jupyter else {})
def prose(source): return nbformat.v4.new_markdown_cell(source)

good = nbformat.v4.new_notebook(cells=[
    prose('# A title\n\n> A subtitle\n\n*Is it so?* Look.\n\n**9 minutes.** You need Python. Afterwards you can read.'),
    cell('#| hide\n1', source_hidden=True), cell('# A figure\nshow()', source_hidden=True),
    prose('Guess what comes.'), cell('print(2)\ntest_eq(2, 2)', outputs_hidden=True), prose('<details>It is 2.</details>'),
    cell('# checked: that 3 is 3\nassert 3 == 3', source_hidden=True),
    prose('Click.'), cell("a_guess = predict(ask='?')"), cell('print(4)', outputs_hidden=True), cell('a_guess.reveal(4)'), prose('<details>4.</details>'),
    prose('**Your goal**: find 5.'), cell('panel'), prose('<details>5.</details>'), cell('# checked: 5\nprint(5)', source_hidden=True, outputs_hidden=True),
    prose('## Exercises')])

def damaged(old, change):
    nb = copy.deepcopy(good)
    for c in nb.cells:
        if old in c.source: change(c)
    return nb

def opened(cell): cell.metadata.pop('jupyter')
def says(old, new):
    def change(cell): cell.source = cell.source.replace(old, new)
    return change

def test_good_is_good():
    assert not first_screen(good) and not shown_too_early(good) and not without_words(good)
    assert [len(test_code(c.source)) for c in open_code(good)] == [1, 0, 0, 0, 0]

@pytest.mark.parametrize('old, change', [('print(2)', opened), ('print(4)', opened), ('reveal', says('a_guess.reveal', 'print')),
    ('print(5)', lambda cell: cell.metadata.jupyter.pop('outputs_hidden')),
    *((f'<details>{n}', says('<details>', '')) for n in ('It is 2', '4', '5'))])
def test_early_answer_is_seen(old, change): assert shown_too_early(damaged(old, change))

@pytest.mark.parametrize('old, change', [('A figure', opened), ('#| hide', opened), ('A figure', says('# A figure\n', '')), ('Is it so', says('*Is it so?* ', '')),
    ('9 minutes', says('9 minutes', 'Long')), ('Look.', says('Look.', 'Look. '*100)), ('# A title', says('# A title\n\n', ''))])
def test_bad_first_screen_is_seen(old, change): assert first_screen(damaged(old, change))

@pytest.mark.parametrize('source, tells', [
    ("print('What happened:')\nprint(5)", False), ("print('What happened:\\n5')", False), ('plt.imshow(x);', False), ('print(5)', True),
    ("print(f'{5} of 6')", True), ('x.shape, y.shape', True), ("for n in x:\n    print(f'n: {n}')", True), ("for ax in axs:\n    ax.plot(x)", False)])
def test_telling_fold_is_seen(source, tells): assert bool(told_by_the_fold(nbformat.v4.new_notebook(cells=[cell(source, outputs_hidden=True)]))) == tells

def test_nameless_check_is_seen(): assert without_words(damaged('# checked', says('# checked: that 3 is 3\n', '')))

@pytest.mark.parametrize('text, early', [
    ('A [**norm**](glossary.ipynb) is a size. The norm is 3.', False), ('Its norm is 3. A [**norm**](glossary.ipynb) is a size.', True),
    ('A **norm** is a size.', True), ('Normal [**norms**](glossary.ipynb).', True), ('`norm()` is a [**norm**](glossary.ipynb).', False)])
def test_early_term_is_seen(text, early): assert bool(used_too_early('norm', '01', {'00': 'Nothing.', '01': ' '.join(re.sub(r'`[^`]+`', '_', text).split())})) == early

def test_term_of_a_later_lesson_is_seen(): assert used_too_early('norm', '01', {'00': 'The norm is 3.', '01': '[**norm**](glossary.ipynb)'})

def telling_captions(nb):
    "Titles of folded checks with a number that the lesson has not said before them: they stand beside the question"
    said, found = '', []
    for cell in nb.cells:
        if caption := re.match(r'# checked: (.*)', cell.source):
            found += [caption[1] for n in re.findall(r'\d[\d,.]*\d|\d', caption[1]) if n not in said]
        said += cell.source
    return found

@pytest.mark.parametrize('path', lessons_and_pages, ids=tool.name_of)
def test_titles_of_checks_tell_nothing(path): assert not telling_captions(tool.read(path))

@pytest.mark.parametrize('title, tells', [('how many differences there are', False), ('65,536 differences', True), ('the sum of 784 products', False)])
def test_telling_title_is_seen(title, tells):
    cells = [prose('An image has 784 pixels. How many differences?'), cell(f'# checked: {title}\nassert True', source_hidden=True)]
    assert bool(telling_captions(nbformat.v4.new_notebook(cells=cells))) == tells
