"Lessons 05 to 10 and the pages face the learner: what stands open, what is folded, and what answers which question"
import re
import nbformat, pytest
from test_project import code_cells, tool

lessons = ['05_optimizer', '06_learner', '07_live', '08_sweep', '09_beyond', '10_many']
pages = ['bug_lab', 'from_the_book', 'lab', 'misconceptions']
each_lesson = pytest.mark.parametrize('name', lessons)
each = pytest.mark.parametrize('name', [*lessons, *pages])

# The cell with something to see or to move, where it is not called `first-look`
looks = {'07_live': 'a1f35674', 'bug_lab': '772ecdad', 'from_the_book': '91636cce', 'lab': 'e2317e20'}

# Cells whose output answers a question, by notebook: the answer's cell, and words of the question above it
answers = {
    '05_optimizer': {'kept-answer': 'What does that name hold', '64256e75': 'Guess the largest difference in 49 steps',
                     'd51e3085': 'Guess the largest difference in 49 steps', '686beaab': 'How good is it after the first?',
                     'ad6a1adf': 'Guess how far apart the ten are',
                     'e7c27965': 'how long do the steps become?', '896914f6': 'Three goals'},
    '06_learner': {'printed-table': 'Is the third training loss that is printed the same', 'same-seed': 'Guess for each of these',
                   '91e01e57': 'What is the mean of means?', 'f43f6648': 'There are four things to find',
                   'quiet-cases': 'guess what you get to read'},
    '08_sweep': {'c888ce1e': 'Find the largest lr', 'rates': 'how many epochs does a *tenth*', 'lr-found': 'What happens to its suggestion?',
                 'b52c68ff': 'how much closer together are the arrows?'},
    '09_beyond': {'best-line': 'how far does a line get', 'thirty-units': 'will you see thirty little threes', 'from-zeros': 'what will the net do',
                  '2e90bc50': 'Three things to find'},
    '10_many': {'three-and-one': 'near_guess = predict(', 'travels-answer': 'Guess how many numbers', 'talk-answer': 'Guess which takes more of a step',
                'steps-answer': 'How many will these three take', 'five-ways': 'which of the five will be the furthest away',
                'sampler-last': 'where does it take the missing ones from', 'drag-check': 'Three things to find',
                'threads-answer': 'Would that hurt', 'dies-answer': 'Guess what the other two will do'},
    '07_live': {'2484afa6': 'get a loss that is [**NaN**]', 'c7ef233b': 'Questions to investigate', '97e1e1f7': 'Questions to investigate'},
    'bug_lab': {'38fdfa93': 'with how many of the seventeen', '02bb5fe1': 'with how many of the seventeen'},
    'from_the_book': {'4f65c5e4': 'of fourteen printed numbers', 'a197709f': 'of fourteen printed numbers', '5e277c77': 'of fourteen printed numbers'},
}

def notebook(name): return tool.read(tool.nbs/f'{name}.ipynb')

def jupyter(cell, what): return cell.metadata.get('jupyter', {}).get(what, False)

def in_the_open(nb): return [c for c in code_cells(nb) if not jupyter(c, 'source_hidden')]

def lines(source):
    "Lines to read: no blank ones, no directives of nbdev"
    return [line for line in source.splitlines() if line.strip() and not line.startswith('#|')]

def long_cells(nb): return [c.id for c in in_the_open(nb) if len(lines(c.source)) > 12]

def test_lines(nb): return [line for c in in_the_open(nb) for line in lines(c.source) if re.search(r'\bassert\b|\btest_\w+\(', line)]
test_lines.__test__ = False

def late_in_coming(nb, look='first-look'):
    "What is wrong with the first screen: the title, folded cells, and then something to see, before badges and directives"
    first, *rest = nb.cells
    if not re.match(r'# \S.*\n\n> \S', first.source): return ['the title does not come first']
    if '</details>' in first.source: return []                         # answers to press
    here = [c.id for c in rest].index(look)
    problems = [f'{c.id} comes before something to see' for c in rest[:here] if c.cell_type != 'code' or not jupyter(c, 'source_hidden')]
    if here > 2: problems.append(f'{here} cells before something to see')
    seen = rest[here]
    if jupyter(seen, 'outputs_hidden') or not jupyter(seen, 'source_hidden') and len(lines(seen.source)) > 2:
        problems.append(f'{look}: show its output, fold its code')
    return problems

def nameless_folds(nb):
    "Folded cells whose first line, which is all that JupyterLab shows of them, says nothing"
    return [c.id for c in code_cells(nb) if jupyter(c, 'source_hidden') and not c.source.startswith('#')]

def open_answers(nb, answers):
    "Answers that are in view, or that come before their question"
    ids, problems = [c.id for c in nb.cells], []
    for answer, words in answers.items():
        cell, above = nb.cells[ids.index(answer)], nb.cells[:ids.index(answer)]
        if not jupyter(cell, 'outputs_hidden') and (cell.outputs or 'print(' in cell.source): problems.append(f'{answer} is open')
        if not any(words in c.source for c in above): problems.append(f'{answer} comes before its question')
    return problems

def spoken_answers(nb, answers):
    "Answers of which the prose right after them speaks in the open, or that were not spoken of in a fold before"
    ids, problems = [c.id for c in nb.cells], []
    for answer in answers:
        here = ids.index(answer)
        after = next((c for c in nb.cells[here:] if c.cell_type == 'markdown'), None)
        before = next(c for c in nb.cells[here::-1] if c.cell_type == 'markdown')
        if not any(c and '</details>' in c.source for c in (before, after)): problems.append(answer)
    return problems

def book_numbers(nb):
    "Paragraphs that have 0.4932 without saying that it is a mean of means, of fastai's book"
    text = '\n\n'.join(c.source for c in nb.cells if c.cell_type == 'markdown')
    return [p for p in text.split('\n\n') if '0.4932' in p and not ('book' in p and 'mean' in p)]

def missing(nb):
    "What every lesson has for its learner, and this one lacks"
    text = '\n\n'.join(c.source for c in nb.cells if c.cell_type == 'markdown')
    questions = re.search(r'^## Three questions\n(.*?)(?=^## |\Z)', text, flags=re.M | re.S)
    asked, _, told = questions[1].partition('<details>') if questions else ('', '', '')
    there = {'minutes': re.search(r'^\*\*\d+ minutes\.\*\*', text, flags=re.M), 'what you need': 'You need ' in text,
             'what you can do afterwards': 'Afterwards you can ' in text,
             'three questions': len(re.findall(r'^\d\. .+\?', asked, flags=re.M)) == 3,
             'three answers, folded': len(re.findall(r'^\d\. ', told, flags=re.M)) == 3 and '</details>' in told}
    return [part for part, ok in there.items() if not ok]


@each
def test_open_cells_are_short(name): assert not long_cells(notebook(name))

@each
def test_few_tests_in_the_open(name): assert len(test_lines(notebook(name))) <= 15

@each
def test_first_screen(name): assert not late_in_coming(notebook(name), looks.get(name, 'first-look'))

@each
def test_folds_have_a_name(name): assert not nameless_folds(notebook(name))

@each
def test_answers_are_folded(name): assert not open_answers(notebook(name), answers.get(name, {}))

@each
def test_answers_are_spoken_of_in_folds(name): assert not spoken_answers(notebook(name), answers.get(name, {}))

@pytest.mark.parametrize('path', tool.notebooks(), ids=tool.name_of)
def test_one_number(path):
    "The book's mean of means is told of once, in 06, and where the book's numbers are compared; it is 0.4956 everywhere else"
    name = tool.name_of(path)
    told = [c.source for c in tool.read(path).cells if c.cell_type == 'markdown' and '0.4932' in c.source]
    assert len(told) == (name in ('06_learner', 'from_the_book')) and not (name == '06_learner' and book_numbers(notebook(name)))

@each_lesson
def test_for_the_learner(name): assert not missing(notebook(name))


# The checks above are checked: each damage must be seen

def cell(name, id): return next(c for c in name.cells if c.id == id)

def damaged(change):
    nb = notebook('05_optimizer')
    change(nb)
    return nb

def unfold(nb, id): cell(nb, id).metadata.pop('jupyter')

def test_damage_is_seen():
    assert long_cells(damaged(lambda nb: unfold(nb, '41718559'))) == ['41718559']
    assert len(test_lines(damaged(lambda nb: unfold(nb, 'optimizer-defaults')))) > len(test_lines(notebook('05_optimizer'))) + 3
    assert late_in_coming(damaged(lambda nb: nb.cells.insert(1, cell(nb, 'about'))))
    assert late_in_coming(damaged(lambda nb: unfold(nb, 'first-look')))
    assert nameless_folds(damaged(lambda nb: setattr(cell(nb, 'walked-once'), 'source', 'test_eq(1, 1)'))) == ['walked-once']
    for change in (lambda nb: unfold(nb, '686beaab'), lambda nb: nb.cells.insert(1, nb.cells.pop([c.id for c in nb.cells].index('kept-answer')))):
        assert open_answers(damaged(change), answers['05_optimizer'])
    assert spoken_answers(damaged(lambda nb: setattr(cell(nb, '722599c1'), 'source', 'Ten times as long.')), ['e7c27965']) == ['e7c27965']
    assert book_numbers(damaged(lambda nb: nb.cells.append(nbformat.v4.new_markdown_cell('It ends at 0.4932.'))))
    assert len(missing(damaged(lambda nb: setattr(nb, 'cells', nb.cells[:5])))) >= 4
