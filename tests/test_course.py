"The course handed out and collected, with the programs that a class uses: a kernel, JupyterLab's files, nbgrader"
import csv, importlib, json, os, re, shutil, subprocess, sys
from collections import Counter
from pathlib import Path
import nbformat, pytest
from nbclient import NotebookClient
from mnist_sgd.course.files import exercise_cells, lesson_names, notebook_bytes, page_names, read_notebook
from mnist_sgd.course.give import learner_copy, write_course
from mnist_sgd.course.passages import course_exercises, passages
from mnist_sgd.course.verdicts import guess_type, read_guess, read_verdict, verdict_type
from jupyter_page import browser, chromium, jupyterlab, open_notebook, output_text
from test_project import root, tool

def run_notebook(nb, folder, timeout=600):
    "A notebook as Jupyter saves it after running all cells"
    nb = nbformat.reads(notebook_bytes(nb).decode(), as_version=4)
    NotebookClient(nb, timeout=timeout, kernel_name='python3', resources=dict(metadata=dict(path=str(folder)))).execute()
    return nb

def kept(nb, mime):
    "What the outputs of a notebook hold under `mime`"
    return [out.data[mime] for c in nb.cells for out in c.get('outputs', []) if mime in out.get('data', {})]

checks = ['from mnist_sgd.exercises import grad as ex', 'def my_slope(f, x): return (f(x + .001) - f(x))/.001', 'ex.my_slope.check(my_slope)',
          'from mnist_sgd.practice.predict import predict\ngate = predict("zero", among=("zero", "twice"), ask="Again?", lesson="03_grad")',
          'gate.reveal("twice")']

def few_cells(sources):
    return dict(cells=[dict(cell_type='code', id=f'c{i}', metadata={}, execution_count=None, outputs=[], source=s) for i, s in enumerate(sources)],
                metadata=dict(kernelspec=dict(name='python3', display_name='python3', language='python')), nbformat=4, nbformat_minor=5)

def test_verdicts_are_kept(tmp_path):
    "A check and a guess leave data in the saved notebook, beside what is shown, and `nbdev-clean` and the strip leave it there"
    nb = run_notebook(few_cells(checks), tmp_path)
    path = tmp_path/'a.ipynb'
    nb.cells[1].metadata['nbgrader'] = dict(grade_id='a')
    tool.write(nb, path)
    env = {k: v for k, v in os.environ.items() if k != 'IN_TEST'}
    subprocess.run(['nbdev-clean', '--fname', str(path)], cwd=root, check=True, env=env)
    tool.strip(path)
    after = tool.read(path)
    (verdict,), (guess,) = map(read_verdict, kept(after, verdict_type)), map(read_guess, kept(after, guess_type))
    assert (verdict['exercise'], verdict['state'], verdict['attempts']) == ('my_slope', 'not yet', 1) and verdict['mistake']
    assert (guess['question'], guess['guess'], guess['right']) == ('Again?', 'zero', False)
    shown = after.cells[2].outputs[0].data
    assert 'text/html' in shown and 'text/plain' in shown
    assert after.cells[1].metadata == dict(nbgrader=dict(grade_id='a'))

def test_course_without_the_script(tmp_path):
    "`python -m mnist_sgd course` does what `mnist_sgd course` does, in a folder with a space in its name"
    said = subprocess.run([sys.executable, '-m', 'mnist_sgd', 'course', 'my course', '--lessons', '03', '--no-open'], cwd=tmp_path,
                          env=os.environ | dict(PYTHONPATH=str(root)), capture_output=True, text=True)
    assert said.stdout == '03_grad: written\n', said.stderr
    assert read_notebook(tmp_path/'my course'/'03_grad.ipynb') == learner_copy('03_grad', ['03_grad'])

@pytest.mark.ci
@pytest.mark.parametrize('name', [*lesson_names(), *(n for n in page_names() if n != 'index')])
def test_learners_copy_runs(name, tmp_path, request):
    "A learner's copy runs from top to bottom in a kernel of its own: what was left out, nothing needs; all of them with --orders 2 and more"
    if name not in ('00_data', '04_loop', '05_optimizer') and request.config.getoption('--orders') < 2: pytest.skip('a sample of three, with --orders 1')
    names = lesson_names() + page_names()
    nb = run_notebook(learner_copy(name, names), tmp_path)
    states = [v['state'] for v in map(read_verdict, kept(nb, verdict_type))]
    assert states == ['not answered yet']*len(exercise_cells(learner_copy(name, names)))

def exercises(lesson):
    "The exercises of a lesson by name"
    module = importlib.import_module(f'mnist_sgd.exercises.{lesson[3:]}')
    return {name: getattr(module, name) for name, known in course_exercises().items() if known == lesson}

def mistakes(exercise): return [m.answer.__name__.lstrip('_') for m in exercise.mistakes]

def test_passages_name_real_mistakes():
    "Every exercise has a passage, and a passage for a mistake names one that its checker knows"
    known = {name: mistakes(ex) for lesson in lesson_names() for name, ex in exercises(lesson).items()}
    assert set(known) == {key for key in passages if '.' not in key}
    for key in passages:
        name, _, mistake = key.partition('.')
        assert not mistake or mistake in known[name], key

def answered(nb, exercise, *answers):
    "A notebook after a learner's attempts at an exercise: the data are those of real checks"
    exercise.__dict__.pop('attempts', None)
    for answer in answers: verdict = exercise.check(answer)
    (_, place, check), = (found for found in exercise_cells(nb) if found[0] == exercise.name)
    nb['cells'][place]['source'] = f'def {exercise.name}(): "{getattr(answers[-1], "__name__", "")}"'
    nb['cells'][check]['outputs'] = [dict(output_type='execute_result', execution_count=1, metadata={},
                                          data={'text/plain': repr(verdict), **verdict._repr_mimebundle_()})]

def test_report(tmp_path):
    "Thirty submissions with real wrong answers of more than twenty kinds: the report's counts are right"
    tried, wanted, solved = exercises('03_grad') | exercises('02_loss'), Counter(), Counter()
    for i in range(30):
        for lesson in ('02_loss', '03_grad'):
            nb = learner_copy(lesson, [lesson])
            for name in ('accumulate', 'my_slope') if lesson == '03_grad' else ('my_accuracy',):
                ex, kinds = tried[name], mistakes(tried[name])
                wrong = ex.mistakes[i % len(kinds)].answer
                answers = [wrong, ex.right] if i % 4 == 0 else [wrong]
                answered(nb, ex, *answers)
                wanted[name, kinds[i % len(kinds)]] += 1
                solved[name] += i % 4 == 0
            path = tmp_path/'class'/f'learner-{i:02}'/f'{lesson}.ipynb'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(notebook_bytes(nb))
    assert len(wanted) >= 20
    command = [Path(sys.executable).with_name('mnist_sgd'), 'report', tmp_path/'class', '--to', tmp_path/'out']
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert said.startswith('60 files read, 0 of them with a problem')
    rows = list(csv.DictReader(open(tmp_path/'out'/'report.csv', encoding='utf-8-sig')))
    assert Counter((r['exercise'], m) for r in rows for key in ('mistakes now', 'mistakes before') for m in r[key].split()) == wanted
    assert Counter(r['exercise'] for r in rows if r['state'] == 'right') == +solved
    page = (tmp_path/'out'/'report.html').read_text(encoding='utf-8')
    for (name, mistake), n in wanted.items():
        found = re.search(rf'(\d+) learners?: <b>{mistake.replace("_", " ")}</b> in <code>{name}</code>', page)
        assert found and int(found[1]) == n, (name, mistake)
    subprocess.run([*command, '--no-names'], check=True, capture_output=True)
    assert 'learner-0' not in (tmp_path/'out'/'report.html').read_text(encoding='utf-8') + (tmp_path/'out'/'report.csv').read_text(encoding='utf-8')

@pytest.mark.ci
@pytest.mark.skipif(chromium is None, reason='no Chromium here: install it, or name it in CHROMIUM')
def test_in_jupyterlab(tmp_path):
    "A learner's copy in JupyterLab: outputs folded until they run, the verdict shown in words, and kept in the file that Ctrl+S writes"
    nb, path = learner_copy('03_grad', ['03_grad']), tmp_path/'nbs'/'03_grad.ipynb'
    (_, answer, check), *_ = exercise_cells(nb)
    nb['cells'][answer]['source'] = 'def my_slope(f, x): return (f(x + 1e-5) - f(x))/1e-5'
    path.parent.mkdir()
    path.write_bytes(notebook_bytes(nb))
    def folded(nb): return sum(c['metadata'].get('jupyter', {}).get('outputs_hidden', False) for c in nb['cells'])
    assert folded(nb) >= 5
    with jupyterlab(tmp_path) as url, browser() as b:
        page = b.new_page(viewport=dict(width=1200, height=900))
        open_notebook(page, url, '03_grad.ipynb')
        assert '"output_type":"error"' not in output_text(page)
        page.evaluate('window.jupyterapp.shell.currentWidget.content.activeCellIndex = arg'.replace('arg', str(check)))
        page.evaluate('window.jupyterapp.commands.execute("notebook:run-cell")')
        page.locator('[role=status]', has_text='my_slope: not yet.').first.wait_for(timeout=30_000)
        page.screenshot(path=tmp_path/'page.png')
        page.evaluate('window.jupyterapp.commands.execute("docmanager:save")')
        page.wait_for_function('!window.jupyterapp.shell.currentWidget.context.model.dirty', timeout=30_000)
    saved = read_notebook(path)
    assert folded(saved) == 0
    (found,) = [v for v in map(read_verdict, kept(nbformat.read(path, 4), verdict_type)) if v['exercise'] == 'my_slope']
    assert (found['state'], found['mistake'], found['attempts']) == ('not yet', 'one_side', 1)
    assert write_course(path.parent, ['03_grad'], update=True)['03_grad'] == 'nothing to do'   # and the course knows its own cells again
    assert read_notebook(path) == saved

nbgrader = os.environ.get('NBGRADER') or shutil.which('nbgrader')

@pytest.mark.ci
@pytest.mark.skipif(not nbgrader, reason='nbgrader is not installed: put it into an environment of its own, and name the program in NBGRADER')
def test_nbgrader(tmp_path):
    "generate_assignment, two learners' work, autograde, export: with nbgrader itself"
    subprocess.run([Path(sys.executable).with_name('mnist_sgd'), 'handout', tmp_path, '--lessons', '02-03', '--bug', 'calm-fox'], check=True)
    course, title = tmp_path/'nbgrader', 'sgd-02-03'
    kernels = tmp_path/'jupyter'/'kernels'/'python3'    # nbgrader's own environment has no mnist_sgd: its kernel is this one
    kernels.mkdir(parents=True)
    argv = [sys.executable, '-m', 'ipykernel_launcher', '-f', '{connection_file}']
    (kernels/'kernel.json').write_text(json.dumps(dict(argv=argv, display_name='Python 3', language='python')))
    def run(*args):
        env = os.environ | dict(JUPYTER_PATH=str(tmp_path/'jupyter'), JUPYTER_PREFER_ENV_PATH='0', MNIST_SGD_DATA='offline')
        env['PATH'] = os.pathsep.join([str(Path(nbgrader).parent), env['PATH']])   # it calls alembic, which is installed beside it
        res = subprocess.run([nbgrader, *args], cwd=course, env=env, capture_output=True, text=True)
        assert res.returncode == 0, res.stdout + res.stderr
    run('generate_assignment', title)
    released = {p.name: read_notebook(p) for p in (course/'release'/title).glob('*.ipynb')}
    assert sorted(released) == ['02_loss.ipynb', '03_grad.ipynb', 'bug-calm-fox.ipynb', 'bug_lab.ipynb']
    for name in ('02_loss', '03_grad'):
        nb, given = released[f'{name}.ipynb'], learner_copy(name, [])
        assert '.right' not in str(nb['cells']) and 'assert verdict' not in str(nb['cells'])
        for (exercise, a, c), (_, b, d) in zip(exercise_cells(nb), exercise_cells(given), strict=True):
            assert nb['cells'][a]['source'].strip() == given['cells'][b]['source'].strip()
            assert nb['cells'][c]['source'].strip() == given['cells'][d]['source'].strip()
    answers = {'ada': {'my_slope': 'def my_slope(f, x): return (f(x + 1e-5) - f(x - 1e-5))/2e-5', 'half_loss': 'half_loss = .5'},
               'bob': {'my_slope': 'def my_slope(f, x): return (f(x + .001) - f(x - .001))/.001'}, 'cyd': {}}
    for learner, own in answers.items():
        for name, nb in released.items():
            for exercise, answer, _ in exercise_cells(nb):
                if exercise in own: nb['cells'][answer]['source'] = own[exercise]
            path = course/'submitted'/learner/title/name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(notebook_bytes(nb))
        released = {p.name: read_notebook(p) for p in (course/'release'/title).glob('*.ipynb')}
    for name in ('02_loss', '03_grad'): run('autograde', title, '--notebook', name)
    run('export')
    rows = list(csv.DictReader(open(course/'grades.csv')))
    assert {r['student_id']: float(r['score']) for r in rows} == dict(ada=2, bob=0, cyd=0)
    assert {float(r['max_score']) for r in rows} == {7.}
    graded = read_notebook(course/'autograded'/'bob'/title/'03_grad.ipynb')
    assert 'my_slope: not yet.' in str(graded['cells'][exercise_cells(graded)[0][2]]['outputs'])   # the diagnosis is in it
