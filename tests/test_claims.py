"""What the notebooks claim holds on every machine, with room to spare

Another processor adds the 784 products of a score in another order, and rounds otherwise. `OtherOrder` plays such a
machine: every notebook that trains runs under a few of them (`pytest --ci --orders 5`; two where nothing is said), the
first of which also plays an older processor, without AVX. An
inequality in an `assert` whose words say that it is about an accuracy (they hold `acc`) has to keep 4 of the 2,038
validation pictures away from its bar.
"""
import os, re
import cells, numpy as np, pytest

room = 4/2038
older = dict(ATEN_CPU_CAPABILITY='default', MKL_CBWR='COMPATIBLE', OMP_NUM_THREADS='1')   # no AVX, one thread
trained = [n for n in cells.notebook_names() if re.search(r'^0[1-9]_|runs/(engine|closed)|from_the_book|misconceptions|index', n)]
pytestmark = [pytest.mark.ci, pytest.mark.skipif(not hasattr(os, 'fork'), reason='no fork on this system')]

@pytest.fixture(scope='module')
def orders(request): return request.config.getoption('--orders')

@pytest.fixture(scope='module')
def results(tmp_path_factory, orders):
    "What came of each notebook under each order"
    d = tmp_path_factory.mktemp('claims')
    def run(orders, **env):
        return cells.run_all({f'{n} {order}': cells.make_job(d/f'{n}{order}', n, order=order) for n in trained for order in orders}, **env)
    return run([0], **older) | (run(range(1, orders)) if orders > 1 else {})

@pytest.mark.parametrize('notebook', trained)
def test_holds(results, orders, notebook):
    "No assert fails where the sums are rounded otherwise"
    for order in range(orders):
        result = results[f'{notebook} {order}']
        assert result['error'] is None, f"order {order}: {result['text']}"

def thin(result):
    "Asserts about an accuracy that came nearer to their bar than `room`; what is below `room` itself is a tolerance"
    return {source: (near, values) for source, (near, values) in result['room'].items()
            if 'acc' in source and near < room <= min(map(abs, values))}

@pytest.mark.parametrize('notebook', trained)
def test_has_room(results, orders, notebook):
    "An accuracy keeps 4 pictures away from its bar"
    found = {}
    for order in range(orders): found |= thin(results[f'{notebook} {order}'])
    assert not found, '\n'.join(f'{near:.4f} {values}: {source}' for source, (near, values) in found.items())

def test_watches():
    "The probe sees a claim that stands on the edge, and leaves one alone that does not"
    lines = ['accs = [.97, .9789, .98]', 'assert .97 < accs[2] < .99', 'loss = .5', 'assert loss < .5001',
             'assert accs[1] > .9785', 'for acc in accs: assert acc > .1', 'assert abs(accs[0] - .97) < .0001']
    seen = {}
    names = dict(_keep=cells.keeper(seen))
    for line in lines:
        tree = cells.ast.fix_missing_locations(cells.Watched().visit(cells.ast.parse(line)))
        exec(compile(tree, 'probe', 'exec'), names)
    assert len(seen) == 5 and list(thin(dict(room=seen))) == ['assert accs[1] > 0.9785']

@pytest.mark.parametrize('a, b, close', [([1., 2.], [1.], False), (np.zeros((3, 1)), np.zeros(3), False), (np.zeros(0), 0, False), ({1: 1.}, {1: 2.}, False),
                                         ([], [], True), (np.zeros(3), np.zeros(3), True), (np.zeros(3), 0, True)])
def test_shapes_are_compared(a, b, close, monkeypatch):
    "What a notebook calls close has one shape, or is a number throughout"
    import fastcore.test
    monkeypatch.setattr(fastcore.test, 'test_close', fastcore.test.test_close)   # put back afterwards
    cells.compare_shapes()
    if close: fastcore.test.test_close(a, b)
    else:
        with pytest.raises(AssertionError, match='not of one shape'): fastcore.test.test_close(a, b)

stand_in = '''from fastai.vision.all import *
import matplotlib, torch
torch.manual_seed(42)
matplotlib.rcParams.update({'font.size': 12, 'savefig.dpi': 200})
'''

def test_with_the_book(tmp_path):
    "The cells of from_the_book that run only where `fastbook` is installed, with one that does what they speak of"
    job = cells.make_job(tmp_path/'book', 'from_the_book')
    (tmp_path/'book'/'fastbook.py').write_text(stand_in)
    result = cells.run_all({'book': job})['book']
    assert result['error'] is None, result['text']
