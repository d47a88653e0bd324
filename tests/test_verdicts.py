"""What exercises, challenges and bugs say of a recipe holds on every machine, with room to spare

Right answers, known wrong ones, recipes in hints, challenges and symptoms are collected from the notebooks where they
stand, and judged again under a few `OtherOrder`s (`pytest --ci --orders 5`; two where nothing is said). The verdict has
to stay the same. Whatever code compares an accuracy with a bar, it has to keep 4 of the 2,038 validation pictures away
from it, ten times as many where rounding decides how a run ends, and a loss a twentieth of the bar.
"""
import contextlib, dis, linecache, re, sys
from dataclasses import replace
from unittest import mock
import cells, pytest, torch
import mnist_sgd.practice.check as check, mnist_sgd.runs.engine as engine
from mnist_sgd.buglab import bugs, game, probes
from mnist_sgd.runs.recipe import Recipe, parse_recipe, recipe_text
from mnist_sgd.runs.rounding import OtherOrder

room = 4/2038
pytestmark = pytest.mark.ci

@pytest.fixture(scope='module')
def orders(request):
    "Seeds for `OtherOrder`; on one thread, as in the other tests of claims"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield range(request.config.getoption('--orders'))
    torch.set_num_threads(threads)


class Watched(float):
    "A number that tells `watch` what it is compared with; `need` says how far off a bar it should be"
    def __new__(cls, value, watch, need=lambda bar: room):
        self = super().__new__(cls, value)
        self.watch, self.need = watch, need
        return self

    def like(self, value): return Watched(value, self.watch, self.need)
    def __sub__(self, other): return self.like(float(self) - other)
    def __abs__(self): return self.like(abs(float(self)))
    def __reduce__(self): return float, (float(self),)

def _comparison(name):
    plain = getattr(float, name)
    def compare(self, other):
        frame, need = sys._getframe(1), self.need(abs(other))
        code = frame.f_code
        written = dis.opname[code.co_code[frame.f_lasti]] == 'COMPARE_OP'   # and not what `max` or `sorted` does
        if written and not 0 < abs(other) < need:                     # a bar as small as that is a tolerance
            line = linecache.getline(code.co_filename, frame.f_lineno).strip() or code.co_name
            if abs(float(self) - other) < need: self.watch.thin.append(f'{float(self):.5f} against {other:.5f}: {line}')
            self.watch.compared += 1
        return plain(self, other)
    return compare

for name in ('__lt__', '__le__', '__gt__', '__ge__'): setattr(Watched, name, _comparison(name))

class Watch:
    "While it is entered, accuracies and losses of the engine's runs are `Watched`, and `recipes` says what was run"
    def __init__(self): self.thin, self.compared, self.recipes = [], 0, []

    def __enter__(self):
        make, record = engine.make_model, engine._record
        def noted(recipe):
            self.recipes.append(recipe)
            return make(recipe)
        def watched(*args):
            r, far = record(*args), 10*room if is_chaotic(self.recipes[-1]) else room
            return replace(r, train_loss=Watched(r.train_loss, self, lambda bar: bar/20),
                           accuracy=Watched(r.accuracy, self, lambda bar: far))
        self.patches = contextlib.ExitStack()
        self.patches.enter_context(mock.patch.object(engine, 'make_model', noted))
        self.patches.enter_context(mock.patch.object(engine, '_record', watched))
        return self

    def __exit__(self, *error): self.patches.close()

    def evidence(self, e):
        "`Evidence` of a bug, with `Watched` accuracies"
        return replace(e, history=[(*losses, Watched(acc, self), w) for *losses, acc, w in e.history])

def run_cells(notebook, until=None):
    "Run a notebook's cells, if `until` is given only until there is something of this name; all names"
    names = dict(__name__='__main__')
    for i, source in enumerate(cells.sources(cells.read(notebook))):
        place = f'{notebook} cell {i}'
        linecache.cache[place] = len(source), None, source.splitlines(True), place
        exec(compile(source, place, 'exec'), names)
        if until in names: break
    return names

def is_chaotic(recipe):
    "Does rounding decide where such a run ends?"
    piled = not recipe.zero_grad
    return piled and (recipe.lr >= 4 or recipe.model == 'net') or recipe.lr >= 100


def collected(notebook):
    "The exercises of a notebook that take a recipe or a number, with the answers that are named for them"
    found = []
    def prove(ex, *right):
        if not ex.parse: return
        told = [text for hint in ex.hints for text in re.findall('`(lr=[^`]+epochs=[^`]+)`', hint)]
        wrong = [(m.answer(), m.direction) for m in ex.mistakes]
        found.append((ex, [(a, '') for a in (ex.right, *right, *told)] + wrong))
    with mock.patch.object(check, 'prove', prove): run_cells(notebook)
    return found

def judged(ex, answer):
    "The verdict, and the watch that looked on"
    for f in ex.observe.__globals__.values():                             # what another order has reached counts no more
        if getattr(f, '__module__', '') == '__main__' and hasattr(f, 'cache_clear'): f.cache_clear()
    with Watch() as watch: return check._verdict(ex, answer, ex.limit), watch

def as_text(answer): return recipe_text(answer) if isinstance(answer, Recipe) else str(answer)

@pytest.fixture(scope='module')
def answers(orders):
    "Answers for which something is trained: exercise, answer, the direction that is right for it, verdicts and watches"
    found = []
    notebooks = [n for n in cells.notebook_names() if n.startswith('exercises/')]
    for ex, named in (pair for notebook in notebooks for pair in collected(notebook)):
        ex.expected
        for answer, direction in named:
            tries = []
            for order in orders:
                with OtherOrder(order): tries.append(judged(ex, answer))
                if not tries[0][1].recipes: break
            else: found.append((ex, answer, direction, tries))
    return found

def test_collects(answers):
    "Every exercise that reads a recipe is there, with right answers and wrong ones"
    trained = {ex.name for ex, *_ in answers}
    assert {'book_epoch', 'fast_98', 'get_nan', 'hidden_bug', 'smallest_lr'} <= trained
    for name in trained:
        right = [not direction for ex, _, direction, _ in answers if ex.name == name]
        assert sum(right) >= 3 and not all(right), name
    assert sum(watch.compared for *_, tries in answers for _, watch in tries) > len(answers)

def test_verdict_stays(answers):
    "A right answer is right, and a mistake gets its own words"
    for ex, answer, direction, tries in answers:
        for order, (v, _) in enumerate(tries):
            as_it_should = v.direction == direction if direction else v
            assert as_it_should, (ex.name, as_text(answer), order, v)

def test_verdict_has_room(answers):
    thin = {f'{ex.name}: {as_text(answer)}: {line}'
            for ex, answer, _, tries in answers for _, watch in tries for line in watch.thin}
    assert not thin, '\n'.join(sorted(thin))

def test_verdict_of_no_chaos(answers):
    "Where an accuracy decides, no recipe is named whose end is decided by rounding"
    for ex, answer, _, tries in answers:
        compared = any(watch.compared for _, watch in tries)
        assert not compared or not any(map(is_chaotic, tries[0][1].recipes)), (ex.name, as_text(answer))


def test_challenges(orders):
    "The recipes that meet a challenge do so everywhere; where rounding decides, far above the bar"
    for order in orders:
        with OtherOrder(order), Watch() as watch: run_cells('lab/parts')
        assert watch.compared and not watch.thin, '\n'.join(watch.thin)

def test_symptoms(orders):
    "A bug shows what it promises, and what the Bug Lab says of some bugs and of some codes is true"
    run = probes.run_loop
    for order in orders:
        watch = Watch()
        with OtherOrder(order):
            names = run_cells('buglab/probes', until='shows')
            healthy = watch.evidence(names['healthy'])
            seen = {name: watch.evidence(e) for name, e in names['seen'].items()}
            for name, shown in names['shows'].items(): assert shown(seen[name], healthy), name
            kept = {names['buggy_source'](name): e for name, e in seen.items()}
            kept[names['loop_source']] = healthy
            def run_loop(source, data, seed=42):
                return kept[source] if seed == 42 else watch.evidence(run(source, data, seed))
            drawn = dict(run_loop=run_loop, _picture=lambda *_: '')
            with mock.patch.multiple(probes, **drawn), mock.patch.multiple(game, **drawn): run_cells('bug_lab')
        assert watch.compared and not watch.thin, '\n'.join(watch.thin)
    newest = 'rebinding in no_grad'
    for seed in range(3, 20):                          # beside the three starts from which the notebook runs every bug
        sources = bugs.loop_source, bugs.buggy_source(newest)
        usual, buggy = (run(source, names['data'], seed) for source in sources)
        for e, expected in ((usual, []), (buggy, [newest])):
            assert [name for name, shown in names['shows'].items() if shown(e, usual)] == expected, seed

def test_watches():
    "A comparison near a bar is seen, and one that is far off, or that `max` makes, is not"
    watch = Watch()
    a, b = (Watched(v, watch) for v in (.97, .9701))
    assert max(a, b) is b and .9 < a < .98 and abs(a - .97) < 1e-6 and not watch.thin
    assert a < .9715 and [t.split(':')[0] for t in watch.thin] == ['0.97000 against 0.97150']
    assert a < Watched(.971, watch) and abs(b - a) < .002 and len(watch.thin) == 3
    assert is_chaotic(parse_recipe('lr=4, zero_grad=off')) and not is_chaotic(parse_recipe('lr=3, zero_grad=off'))
