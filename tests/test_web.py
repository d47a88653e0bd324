"The lab in a plain page: torch's generator, the engine and the page against the library"
import gzip, importlib.util, io, json, os, re, shutil, subprocess
from base64 import b64decode
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
import numpy as np, pytest, torch
from jupyter_page import browser, chromium
from PIL import Image
from mnist_sgd.data import load_data
from mnist_sgd.digits.sources import mnist_rows, offline_rows
from mnist_sgd.init import init_params
from mnist_sgd.lab.lab import Training
from mnist_sgd.lab.parts import challenges, runs_table
from mnist_sgd.lab.picture import run_svg, weights_png
from mnist_sgd.lab.web import field_facts, only_here, packed_digits, page_facts
from mnist_sgd.panels.grad import Odometer
from mnist_sgd.panels.live import Mystery
from mnist_sgd.panels.loss import BiasDial
from mnist_sgd.runs.engine import make_model, run
from mnist_sgd.runs.recipe import Recipe, _field, parse_recipe, recipe_text
from mnist_sgd.runs.record import Record, Run
from mnist_sgd.runs.steps import broken_at, diagnose, first_epoch, sample, squared_lr_limit

root = Path(__file__).resolve().parent.parent
web = root/'web'
node = shutil.which('node')
needs_node = pytest.mark.skipif(node is None, reason='no Node here: install it (20 or newer)')
seeds = 0, 1, 42, 2**31 - 1

def javascript(code, **values):
    "What the module `code` returns for `values`, which are `given` there, by way of JSON; NaN and infinity come through"
    text = f'''const plain = v => typeof v == "number" && !Number.isFinite(v) ? `@${{v}}@` : ArrayBuffer.isView(v) ? Array.from(v, plain) : v
        const given = JSON.parse(process.argv[1]), said = await (async () => {{ {code} }})()
        console.log(JSON.stringify(said, (k, v) => plain(v)))'''
    given = re.sub(r'\bNaN\b', 'null', json.dumps(values)).replace('Infinity', '1e999')   # the page takes null for a number that is none
    res = subprocess.run([node, '--input-type=module', '-e', text, given], cwd=web, capture_output=True, text=True)
    assert res.returncode == 0, res.stderr
    return json.loads(res.stdout.replace('"@', '').replace('@"', ''))


@needs_node
@pytest.mark.parametrize('seed', seeds)
def test_generator(seed):
    """`nn.Linear`'s first weights and two orders: every bit; normal numbers to 5e-7

    For old processors torch's kernels round an angle of up to 2 pi before its cosine, which a length of up to 6 multiplies.
    """
    js = javascript('''const { Generator, uniform, randn, randperm } = await import("./generator.js");
        const fresh = () => new Generator(given.seed), [a, b, c] = [fresh(), fresh(), fresh()];
        return { linear: [...uniform(a, 784, -(784**-.5), 784**-.5), ...uniform(a, 1, -(784**-.5), 784**-.5)],
                 normal: [784, 1, 1, 50, 15].flatMap(n => [...randn(b, n)]), orders: [randperm(c, 12396), randperm(c, 12396)] }''', seed=seed)
    model, fresh = make_model(Recipe(seed=seed)), lambda: torch.Generator().manual_seed(seed)
    linear, mine = torch.cat([model.weight[0], model.bias]).detach(), torch.tensor(js['linear'])
    fused = torch.backends.cpu.get_cpu_capability() != 'DEFAULT'   # kernels for old processors round twice
    assert torch.equal(linear, mine) if fused else (linear - mine).abs().max() < 4e-9
    g = fresh()
    normal = torch.cat([torch.empty(n).normal_(generator=g) for n in (784, 1, 1, 50, 15)])
    assert (normal - torch.tensor(js['normal'])).abs().max() < (5e-7 if fused else 3e-6)
    g = fresh()
    assert all(torch.equal(torch.randperm(12396, generator=g), torch.tensor(order)) for order in js['orders'])
@needs_node
def test_without_torch():
    "`node --test` in web/"
    res = subprocess.run([node, '--test'], cwd=web, capture_output=True, text=True)
    assert res.returncode == 0, res.stdout

@pytest.fixture(scope='module')
def eslint(tmp_path_factory):
    "A folder with ESLint in it: web/, or else a copy of it for which npm fetches what package.json asks for"
    if (web/'node_modules'/'eslint').exists(): return web
    npm, folder = shutil.which('npm'), tmp_path_factory.mktemp('web')
    if npm is None: pytest.skip('no npm here: install it, and the JavaScript is linted')
    for f in web.iterdir():
        if f.is_file(): shutil.copy(f, folder)
    res = subprocess.run([npm, 'install', '--no-audit', '--no-fund'], cwd=folder, capture_output=True, text=True, timeout=300)
    if res.returncode: pytest.skip(f'npm finds no ESLint: {res.stderr.strip()[-200:]}')
    return folder

@needs_node
def test_lint(eslint):
    "ESLint has nothing to say, and would have about a name that nothing uses"
    def lint(*options, **kwargs): return subprocess.run([node, 'node_modules/eslint/bin/eslint.js', *options], cwd=eslint, capture_output=True, text=True, **kwargs)
    res = lint('.')
    assert res.returncode == 0, res.stdout
    assert lint('--stdin', '--stdin-filename', 'other.js', input='const unused = 1\n').returncode == 1


# The engine against `run`

golden = [f'{text}, epochs={epochs}' for text, epochs in (
    ('lr=1', 5), ('lr=0.1', 6), ('lr=10', 6), ('lr=0.01', 4), ('lr=1, shuffle=on', 8), ('lr=10, shuffle=on', 6), ('lr=0.1, shuffle=on, seed=7', 5),
    ('lr=1, momentum=0.5', 6), ('lr=0.1, momentum=0.9, shuffle=on', 6), ('lr=0.1, zero_grad=off, shuffle=on', 5), ('lr=1, zero_grad=off', 4),
    ('lr=1, init=zeros', 3), ('lr=1, init=randn, shuffle=on', 6), ('lr=1, init=randn, std=0.01', 3), ('lr=1, init=randn, std=100', 3),
    ('lr=0.01, loss=squared', 6), ('lr=0.01, loss=squared, shuffle=on', 6), ('lr=1, loss=squared', 3), ('lr=0.005, loss=squared, momentum=0.9', 4),
    ('lr=0.1, loss=cross_entropy', 6), ('lr=0.1, loss=cross_entropy, shuffle=on', 6), ('lr=1, loss=cross_entropy, init=zeros, shuffle=on', 5),
    ('lr=1, batch_size=4096', 8), ('lr=1, batch_size=100, shuffle=on', 4), ('lr=0.1, batch_size=16, shuffle=on', 1), ('lr=0.01, batch_size=1, shuffle=on', 1),
    ('lr=1, batch_size=12396, loss=cross_entropy', 6), ('lr=10000', 3), ('lr=1e29, loss=cross_entropy', 2), ('lr=100, loss=cross_entropy, shuffle=on', 8))]
chaotic = 'lr=100, loss=cross_entropy, shuffle=on, epochs=8'

class Followed:
    "What a run came to after each epoch: images right and two losses"
    def __init__(self, right, losses): self.right, self.losses = right, np.array(losses, float)
    def __len__(self): return len(self.right)

def followed(recipe, data, closed):
    "`Followed`, by the closed form or by autograd, up to the epoch in which the parameters are no numbers"
    found = []
    for r in run(recipe, data, closed):
        found.append(r)
        if not all(p.isfinite().all() for p in r.params): break
    return Followed([round(r.accuracy*len(data.valid_x)) for r in found], [(r.train_loss, r.valid_loss) for r in found])

def differences(a, b):
    "In how many images, and in what part of a loss, two runs differ at most; infinite where one breaks and the other does not"
    if len(a) != len(b) or not np.array_equal(np.isnan(a.losses), np.isnan(b.losses)): return np.inf, np.inf
    same = (a.losses == b.losses) | np.isnan(a.losses)
    with np.errstate(all='ignore'): part = np.where(same, 0, abs(a.losses - b.losses)/np.maximum(abs(b.losses), 1e-3))
    return max(abs(x - y) for x, y in zip(a.right, b.right)), np.nan_to_num(part, nan=np.inf).max()

def is_chaotic(recipe, data):
    "Do rounding errors decide? So it is where the library's own closed form and its own autograd part by more than the page may"
    right, loss = differences(followed(recipe, data, True), followed(recipe, data, False))
    return right > 1 or loss > 1e-3

@pytest.fixture(scope='module')
def packed(tmp_path_factory):
    "Both sets of digits, where MNIST is here, and the files that the page would unpack"
    folder = tmp_path_factory.mktemp('digits')
    sets = [load_data('offline')]
    if os.environ.get('MNIST_SGD_DATA', 'offline') != 'offline': sets.append(load_data('mnist'))
    rows = dict(offline=offline_rows, mnist=lambda: mnist_rows(os.environ['MNIST_SGD_DATA']))
    for data in sets: (folder/data.source).write_bytes(packed_digits(rows[data.source]()))
    return folder, sets

open_digits = '''const { readFileSync } = await import("node:fs"), { gunzipSync } = await import("node:zlib"), engine = await import("./engine.js"),
    open = file => engine.unpack(gunzipSync(readFileSync(file)), given.facts.sizes); '''

@needs_node
def test_engine(packed):
    "The same images right after every epoch, but for one, and the same losses; what breaks, breaks in the same epoch"
    folder, sets = packed
    recipes, compared, worst = [parse_recipe(text) for text in golden], 0, []
    for data in sets:
        runs = javascript(open_digits + '''const digits = open(given.file); return given.recipes.map(recipe => {
            const found = []; for (const r of engine.run(recipe, digits)) {
                found.push([r.right, r.trainLoss, r.validLoss]); if (![r.bias, ...r.weights].every(Number.isFinite)) break }
            return found })''', file=str(folder/data.source), facts=page_facts(), recipes=[asdict(r) for r in recipes])
        for recipe, found in zip(recipes, runs):
            right, loss = differences(Followed([r for r, *_ in found], [v for _, *v in found]), followed(recipe, data, True))
            if right <= 1 and loss < 1e-3: compared += 1
            elif not is_chaotic(recipe, data): worst.append((data.source, recipe_text(recipe), right, loss))
    assert not worst
    assert compared >= 28*len(sets), f'only {compared} runs agree: the rest is said to be chaotic'

def test_chaos_is_measured(packed):
    "The rule leaves out what it should, and nothing that is tame"
    data = packed[1][0]
    assert is_chaotic(parse_recipe(chaotic), data)
    assert not any(is_chaotic(parse_recipe(text), data) for text in golden[4:7])

@needs_node
def test_closer_look(packed):
    "The first epoch batch by batch, the gradient, the confidences, the batch that broke, and the lr that is too much"
    folder, sets = packed
    recipe, broken, data = parse_recipe('lr=1, epochs=2'), parse_recipe('lr=1, epochs=2, loss=squared'), sets[0]
    js = javascript(open_digits + '''const digits = open(given.file), [recipe, broken] = given.recipes, first = engine.firstEpoch(recipe, digits),
        records = [...engine.run(recipe, digits, first.watch)];
        return { first: first.look(), diagnostics: records.map(r => engine.diagnose(digits, r, recipe.loss, 24)),
                 brokeAt: [...engine.run(broken, digits)].at(-1).brokeAt, limit: engine.squaredLrLimit(broken, digits) }''',
        file=str(folder/data.source), facts=page_facts(), recipes=[asdict(recipe), asdict(broken)])
    first = first_epoch(recipe, data)
    assert js['first']['batch'] == first.batch
    for mine, its in (('loss', first.loss), ('accuracy', first.accuracy), ('meanP', first.mean_p)):
        assert np.allclose(js['first'][mine], its, rtol=1e-3, atol=1e-3, equal_nan=True), mine
    for mine, record in zip(js['diagnostics'], run(recipe, data)):
        its = diagnose(recipe.loss, record.params, *sample(data))
        assert abs(mine['gradNorm']/its.grad_norm - 1) < 1e-3 and abs(mine['saturated'] - its.saturated) < 2/517
        assert sum(mine['counts']) == sum(its.counts) and sum(abs(a - b) for a, b in zip(mine['counts'], its.counts)) <= 4
    assert js['brokeAt'][:2] == list(broken_at(broken, data)[:2])
    assert abs(js['limit']/squared_lr_limit(broken, data) - 1) < 1e-3


# Words, challenges and charts

texts = ('lr=1', 'lr=0.1,epochs=3 , shuffle=ON', 'lr=1e-7, momentum=.99', 'lr=123456.5, seed=2147483647', 'lr=1234567, std=1e22', 'lr=1_000.5', '',
    'lr=0.30000000000000004', 'lr=1e-5, init=randn, std=0', 'batch_size=1, zero_grad=false, loss=squared', 'lr=+2., std=.5e+2', 'lr=100000', 'lr=1000000',
    'lr=-1', 'lr=0', 'lr=nan', 'lr=inf', 'std=-inf', 'lr=1e30', 'lr=1 2', 'lr=', 'lr', 'lr=1=2', 'lr=1, lr=2', 'epochs=0', 'epochs=2.5', 'epochs=2147483648',
    'seed=-1', 'momentum=1', 'momentum=1e-9', 'shuffle=yes', 'init=ones', 'loss=mse', 'wobble=3', 'lr=1 epochs=2', 'device=tpu', 'model=tree', 'source=web')

@needs_node
def test_recipe_texts():
    "The page reads and writes recipes as the library does, and refuses the same ones in the same words"
    js = javascript('''const { parseRecipe, recipeText } = await import("./recipe.js"), { fields } = given.facts
        return given.texts.map(text => { try { const r = parseRecipe(fields, text); return [recipeText(fields, r), r] }
            catch (e) { return ["! " + e.message, null] } })''', facts=page_facts(), texts=texts)
    for text, (mine, values) in zip(texts, js):
        try: recipe = parse_recipe(text)
        except ValueError as e: assert mine == f'! {e}'
        else: assert mine == recipe_text(recipe) and values == asdict(recipe)

@needs_node
def test_what_the_page_has_not():
    "A recipe for another model, device or set of digits is refused in words"
    js = javascript('''const { parseRecipe } = await import("./recipe.js")
        return given.texts.map(text => { try { parseRecipe(given.facts.fields, text) } catch (e) { return e.message } })''',
        facts=page_facts(), texts=['model=net', 'device=cuda:1', 'source=mnist'])
    assert all('this page has' in message for message in js), js

def another(f):
    "A value of the field `f` that should change a run which draws its weights and its order"
    if f['choices']: return next(c for c in f['choices'] if c not in (f['default'], 'randn'))
    return not f['default'] if f['type'] == 'bool' else 2*f['default'] or f['slider']['low'] + 8*f['slider'].get('step', 1)

def unknown_fields(facts, file):
    "Names of fields that make no difference to the page's engine, and are not said to be only in the notebooks"
    fields = [f for f in facts['fields'] if f['name'] not in only_here]
    usual = asdict(Recipe(epochs=1, shuffle=True, init='randn')) | {f['name']: f['default'] for f in fields if not hasattr(Recipe, f['name'])}
    recipes = [usual] + [usual | {f['name']: not usual['shuffle'] if f['name'] == 'shuffle' else another(f)} for f in fields]
    ends = javascript(open_digits + '''const digits = open(given.file)
        return given.recipes.map(recipe => { const { epoch, weights, trainLoss } = [...engine.run(recipe, digits)].at(-1); return [epoch, trainLoss, ...weights].join() })''',
        file=str(file), facts=facts, recipes=recipes)
    return [f['name'] for f, end in zip(fields, ends[1:]) if end == ends[0]]

@needs_node
def test_the_page_knows_every_field(packed):
    "Each field of `Recipe` has a control in the page and changes its runs; one more would be noticed"
    facts, file = page_facts(), packed[0]/'offline'
    assert {*sum(facts['rows'], []), *only_here} == {f['name'] for f in facts['fields']}
    assert unknown_fields(facts, file) == []
    decay = _field(0., 'what a weight loses in a step', row=1, least=0, below=1, slider=dict(low=0., high=.5, step=.1))
    more = dataclass(frozen=True)(type('More', (Recipe,), dict(__annotations__=dict(decay=float), decay=decay)))
    assert unknown_fields(facts | dict(fields=field_facts(more)), file) == ['decay']

def made(text, accuracies, loss=.1):
    "A `Run` with these accuracies"
    return Run(parse_recipe(text), tuple(Record(i, loss, loss, a, ()) for i, a in enumerate(accuracies)), 'cpu')

def as_given(run):
    "A `Run` as the page has it"
    history = [dict(epoch=r.epoch, trainLoss=r.train_loss, validLoss=r.valid_loss, accuracy=r.accuracy) for r in run.history]
    return dict(recipe=asdict(run.recipe), history=history, device=run.device)

@needs_node
def test_challenges():
    "The page's conditions and the library's say the same of the same runs"
    stuck = 1010/2038
    tales = [[made('lr=1', a)] for a in ([.5, .9, .9, .98], [.5, .9, .9, .9799, .99], [.98], [.5, .9, .9, .97, .98])]
    tales += [[made(f'lr={lr}', [.5, last])] for lr in (9999, 10_000) for last in (.9499, .95)]
    tales += [[made('lr=1', [.5], float('inf'))], [made('lr=1', [.5])], [made('lr=1, zero_grad=off', [.977])], [made('lr=1, zero_grad=off', [.9769])]]
    tales += [[made('lr=10', [.5, first]), made(text, [.5, last])] for first in (stuck, .5) for last in (.97, .96)
              for text in ('lr=10, shuffle=on', 'lr=10, zero_grad=off', 'lr=1, shuffle=on', 'lr=10, shuffle=on, zero_grad=off', 'lr=10')]
    tales += [[made(a, [.95]), made(b, [.94])] for a, b in (('lr=1, epochs=5', 'lr=.8, epochs=5'), ('lr=1, epochs=5', 'lr=.4, epochs=5'), ('lr=1, epochs=5', 'lr=.5, epochs=5'),
              ('lr=1, epochs=6', 'lr=.9, epochs=6'), ('lr=1, epochs=5', 'lr=.9, epochs=4'), ('lr=.8, epochs=5', 'lr=1, epochs=5'))]
    js = javascript('''const { conditions } = await import("./runs.js")
        return given.tales.map(runs => given.facts.challenges.map(c => conditions[c.name](runs)))''',
        facts=page_facts(), tales=[[as_given(r) for r in runs] for runs in tales])
    theirs = [[bool(c.solved(runs)) for c in challenges] for runs in tales]
    assert js == theirs
    assert all({row[i] for row in theirs} == {True, False} for i in range(len(challenges)))   # each one is met and missed

def texts_and_points(svg):
    "Titles, ticks and the like, and the points of each curve, of the charts in `svg`"
    points = [[[float(v) for v in p.split(',')] for p in line.split()] for line in re.findall(r'points="([^"]*)"', svg)]
    return re.findall(r'<text[^>]*>([^<]*)', svg) + re.findall(r'aria-label="([^"]*)', svg), points

@needs_node
@pytest.mark.parametrize('text, other', [('lr=1, epochs=30, shuffle=on', 'lr=0.1, epochs=60'), ('lr=1, epochs=3, loss=squared', 'lr=1, epochs=3')])
def test_charts_and_words(packed, text, other):
    "The same recipe gives the same charts, sentence and row of the table: points within 1 unit, texts equal"
    folder, sets = packed
    data = load_data('offline')
    ever_lit = (data.train_x > 0).any(0)
    def trained(text):
        recipe = parse_recipe(text)
        history = []
        for r in run(recipe, data):
            history.append(r)
            if not all(p.isfinite().all() for p in r.params): break
        done = Run(recipe, tuple(history), 'cpu', tuple(diagnose(recipe.loss, r.params, *sample(data)) for r in history), first_epoch(recipe, data), ever_lit=ever_lit)
        return replace(done, broke_at=broken_at(recipe, data)) if done.broken else done
    mine, ghost = trained(text), trained(other)
    js = javascript(open_digits + '''const digits = open(given.file), { runSvg, weightsBmp } = await import("./charts.js"), words = await import("./runs.js")
        const everLit = new Uint8Array(784); for (let k = 0; k < digits.starts[digits.trained]; k++) everLit[digits.pixels[k]] = 1
        function trained(recipe) {
            const first = engine.firstEpoch(recipe, digits), history = [], diagnostics = []
            for (const r of engine.run(recipe, digits, first.watch)) {
                history.push(r); diagnostics.push(engine.diagnose(digits, r, recipe.loss, 24)); if (![...r.weights].every(Number.isFinite)) break }
            return { recipe, history, diagnostics, first: first.look(), device: "cpu" } }
        const [run, ghost] = given.recipes.map(trained), { facts } = given, broken = words.brokenRecord(run)
        const why = broken && words.brokenText(run.recipe, digits, broken.epoch, run.history.at(-1).brokeAt)
        return { svg: runSvg(facts, run, everLit, [[1, ghost]]), live: runSvg(facts, run, everLit, [], true), says: words.summary(facts.fields, run, why),
                 row: words.tableRow(facts.fields, 2, run), head: words.tableHead, bmp: weightsBmp(facts.palette, run.history.at(-1).weights, everLit) }''',
        file=str(folder/'offline'), facts=page_facts(), recipes=[asdict(mine.recipe), asdict(ghost.recipe)])
    for its, svg in ((run_svg(mine, {1: ghost}), js['svg']), (run_svg(mine, live=True), js['live'])):
        (a, ap), (b, bp) = texts_and_points(its), texts_and_points(svg)
        assert b == a and len(bp) == len(ap)
        assert all(abs(len(p) - len(q)) <= bool(mine.broken) for p, q in zip(ap, bp))   # a curve may end a batch sooner where all explodes
        assert all(np.abs(np.subtract(*zip(*zip(p, q)))).max() <= 1 for p, q in zip(ap, bp))
    lab = Training(mine.recipe, data)
    assert js['says'] == lab.summary(mine)
    assert [js['head'], js['row']] == [re.findall(r'<t[hd][^>]*>([^<]*)', row) for row in re.findall('<tr>.*?</tr>', runs_table({2: mine}))]
    picture = [np.array(Image.open(io.BytesIO(png)).convert('RGB'), int) for png in (b64decode(js['bmp']), weights_png(mine.history[-1].params, ever_lit))]
    assert (abs(picture[0] - picture[1]).max(2) > 0).mean() < .01 and abs(picture[0] - picture[1]).max() < 12   # a shade apart at most


@needs_node
def test_dial(packed):
    "The panel of lesson 02 in the page: the same sentence wherever it is turned to, and the same curves"
    folder, sets = packed
    for data in sets:
        three, seven = (data.train_x[data.train_y[:,0] == label].mean(0) for label in (1, 0))
        some = torch.arange(0, 2038, 50)
        panel = BiasDial(data.valid_x[some] @ (three - seven)[:,None], data.valid_y[some])
        places = [(bias, loud) for bias in (-30, -15, -7.6, 0, 12.3, 30) for loud in (.01, .2, 10, 100)]
        js = javascript(open_digits + '''const { dialPoints, dialReading, dialText } = await import("./dial.js"), points = dialPoints(open(given.file))
            return given.places.map(place => { const reading = dialReading(points, ...place); return [reading.curves.map(c => c.values), dialText(reading)] })''',
            file=str(folder/data.source), facts=page_facts(), places=places)
        for (bias, loud), (curves, words) in zip(places, js):
            state = panel.run(bias=bias, loud=loud)
            numbers = [[float(n) for n in re.findall(r'-?[\d.]*\d', text)] for text in (words, panel.summary(state))]
            assert re.sub(r'-?[\d.]*\d', '', words) == re.sub(r'-?[\d.]*\d', '', panel.summary(state))
            assert np.allclose(*numbers, rtol=1e-3, atol=2e-4)
            (accuracy, loss), (its_accuracy, its_loss) = curves, [c.values for c in state.curves]
            assert (abs(np.subtract(accuracy, its_accuracy)) > 1e-6).mean() < .01 and np.allclose(loss, its_loss, atol=1e-3)

@needs_node
def test_mystery(packed):
    "The panel of lesson 07 in the page: the same curves, line, strip and sentence, at the start, halfway and at the end"
    folder, sets = packed
    data, places = sets[0], [(0, False), (24, False), (25, False), (49, False), (1, True), (49, True)]
    panel = Mystery(data)
    js = javascript(open_digits + '''const digits = open(given.file), { mysteryCharts, mysteryText } = await import("./mystery.js"), { chartSvg } = await import("./charts.js")
        const firsts = given.recipes.map(recipe => { const first = engine.firstEpoch(recipe, digits); Array.from(engine.run(recipe, digits, first.watch)); return first.lookClosely() })
        const everLit = new Uint8Array(784).fill(1)
        return given.places.map(([batch, shuffle]) => { const first = firsts[Number(shuffle)], charts = mysteryCharts(given.facts, first, batch, everLit)
            return [charts.map(c => chartSvg(given.facts, c)).join(""), mysteryText(first, batch, shuffle)] })''',
        file=str(folder/data.source), facts=page_facts(), recipes=[asdict(Recipe(epochs=1, shuffle=on)) for on in (False, True)], places=places)
    for (batch, on), (svg, words) in zip(places, js):
        state = batch, on, panel.epochs[on]
        its = panel.svg(state)
        (a, ap), (b, bp) = texts_and_points(its), texts_and_points(svg)
        assert b == a and len(ap) == len(bp) == 3
        assert all(np.abs(np.subtract(*zip(*zip(p, q)))).max() <= 1 for p, q in zip(ap, bp))
        assert re.findall(r'class="here" d="([^"]*)"', svg) == re.findall(r'class="here" d="([^"]*)"', its)
        numbers = [[float(n) for n in re.findall(r'[\d.]*\d', text)] for text in (words, panel.summary(state))]
        assert re.sub(r'[\d.]*\d', '', words) == re.sub(r'[\d.]*\d', '', panel.summary(state)) and np.allclose(*numbers, rtol=0, atol=6e-4)
    assert svg.count('<rect') == 49

@needs_node
def test_odometer(packed):
    "The panel of lesson 03 in the page: the same readings and sentences, and the same refusal before `backward()`"
    folder, sets = packed
    data, presses = sets[0], ['step()', 'backward()', 'backward()', 'step()', 'zero_()', 'backward()', 'step()']
    torch.manual_seed(42)
    start = init_params((784, 1), std=.1), init_params(1, std=.1)
    panel = Odometer(data.train_x[::200], data.train_y[::200], start)
    readings = panel.run(presses=tuple(presses))
    js = javascript(open_digits + '''const { odometer, odometerText } = await import("./odometer.js"), readings = odometer(open(given.file), given.presses)
        return readings.map((r, i) => ({ ...r, words: odometerText(readings.slice(0, i + 1)) }))''',
        file=str(folder/data.source), facts=page_facts(), presses=presses)
    assert len(js) == len(readings) == 8
    for i, (mine, its) in enumerate(zip(js, readings)):
        words = panel.summary(readings[:i + 1])
        words = re.sub(r'(before backward\(\)):.*?(?=\. The loss)', r'\1', words)            # without Python's own words
        numbers = [[float(n) for n in re.findall(r'\d+\.\d+|\d+', text)] for text in (mine['words'], words)]
        assert re.sub(r'\d+\.\d+|\d+', '', mine['words']) == re.sub(r'\d+\.\d+|\d+', '', words)
        assert np.allclose(*numbers, rtol=0, atol=.011)                                     # the ratio has two places
        assert np.allclose(mine['fresh'], its.fresh.flatten(), atol=1e-5)
        assert (mine['stored'] is None) == (its.stored is None) and (mine['stored'] is None or np.allclose(mine['stored'], its.stored.flatten(), atol=1e-5))
    assert np.allclose(js[3]['stored'], 2*np.array(js[2]['stored']), atol=1e-9) and js[1]['error'] and not js[2]['error']


# The page, from a file and without a network

spec = importlib.util.spec_from_file_location('web_build', web/'build.py')
builder = importlib.util.module_from_spec(spec)
spec.loader.exec_module(builder)
needs_browser = pytest.mark.skipif(chromium is None, reason='no Chromium here: install it, or name it in CHROMIUM')

@pytest.fixture(scope='module')
def built(tmp_path_factory):
    "The page as one file"
    path = tmp_path_factory.mktemp('page')/'lab.html'
    builder.main([str(path)])
    return path

@pytest.fixture(scope='module')
def chrome():
    with browser() as b: yield b

@contextmanager
def opened(chrome, path, hash='', width=1366, height=900, scheme='light', **options):
    "The page in a window of its own; it may say nothing on the console and ask for nothing but itself"
    context = chrome.new_context(viewport=dict(width=width, height=height), color_scheme=scheme, offline=True, **options)
    page, said, asked = context.new_page(), [], []
    page.on('console', lambda m: said.append(m.text))
    page.on('pageerror', lambda e: said.append(str(e)))
    page.on('request', lambda r: asked.append(r.url[:80]))
    page.goto(path.as_uri() + hash)
    ended(page)
    yield page
    assert not said and [url for url in asked if not url.startswith(('blob:', 'data:'))] == [path.as_uri()]
    context.close()

def ended(page, condition='true', arg=None):
    "Wait until nothing runs, and `condition`, JavaScript over the data of the charts `d` and `arg`, holds"
    page.wait_for_function(f'''arg => {{ const d = document.querySelector(".charts")?.dataset
        return d && document.querySelector("#stop").disabled && ({condition}) }}''', arg=arg, timeout=30_000)

def show(page, recipe):
    page.locator('#recipe').fill(recipe)
    page.locator('#recipe').press('Enter')
    ended(page, 'd.recipe == arg', recipe)

@needs_browser
def test_newest_of_60_events_is_drawn(chrome, built):
    with opened(chrome, built, '#lr=1,epochs=10') as page:
        page.evaluate('''async () => { const bar = document.querySelector("#lr").nextElementSibling
            for (let i = 0; i < 60; i++) { bar.value = -2 + 2.9*i/59; bar.dispatchEvent(new Event("input")); await new Promise(r => setTimeout(r, 8)) } }''')
        ended(page, 'd.lr == document.querySelector("#lr").value && d.epoch == d.epochs')
        lr = page.locator('#lr').input_value()
        assert lr == '7.94' and page.locator('#recipe').input_value() == 'lr=7.94, epochs=10'
        *_, last = run(parse_recipe(page.locator('.charts').get_attribute('data-recipe')), load_data('offline'))
        assert abs(float(page.locator('.charts').get_attribute('data-accuracy')) - last.accuracy) < 1.5/2038
        assert page.locator('#says').inner_text().startswith(f'lr={lr}, epochs=10, on this page: accuracy')
        assert page.url.endswith(f'#lr={lr},epochs=10') and page.locator('tbody tr').count() == 2

@needs_browser
def test_nothing_overflows(chrome, built):
    "From a small phone to a projector, with a short recipe and with a long one"
    long = 'lr=0.123456789, epochs=3, batch_size=1024, shuffle=on, init=randn, std=0.05, seed=7, loss=cross_entropy, momentum=0.5'
    with opened(chrome, built, width=320) as page:
        page.evaluate('document.querySelector("details").open = true')
        for width, recipe in ((320, 'lr=0.1, epochs=7'), (320, long), (390, 'lr=0.2, epochs=2'), (390, long), (1366, 'lr=0.1, epochs=7'), (1366, long), (3840, 'lr=3, epochs=3')):
            page.set_viewport_size(dict(width=width, height=900))
            show(page, recipe)
            assert page.evaluate('document.documentElement.scrollWidth <= innerWidth'), width
            assert page.evaluate('''[...document.querySelectorAll("button, input, select")].every(e => e.getBoundingClientRect().right <= innerWidth + 1)'''), width

@needs_browser
def test_accessible(chrome, built):
    "axe has nothing serious to say, light or dark, wide or narrow"
    from axe_playwright_python.sync_playwright import Axe
    with opened(chrome, built) as page:
        for theme, width in (('light', 1366), ('dark', 390)):
            page.emulate_media(color_scheme=theme)
            page.set_viewport_size(dict(width=width, height=900))
            assert page.evaluate('getComputedStyle(document.body).colorScheme') == theme
            found = [v for v in Axe().run(page).response['violations'] if v['impact'] in ('serious', 'critical')]
            assert not found, [(v['id'], [n['html'][:200] for n in v['nodes']]) for v in found]

@needs_browser
def test_challenges_ghosts_and_words(chrome, built):
    "A bad value is explained; a loss breaks in words; challenges tick; a ghost leads back; a link and a changed address open a run"
    with opened(chrome, built, '#lr=10,epochs=20') as page:
        box = page.locator('#lr')
        box.fill('-1'); box.press('Enter')
        assert page.locator('#alert').inner_text() == 'lr=-1.0: give a number above 0. The charts are of an earlier run.'
        show(page, 'lr=10, epochs=20')
        assert page.locator('#alert').inner_text() == ''
        page.locator('#shuffle').click()
        ended(page, 'd.recipe == "lr=10, epochs=20, shuffle=on"')
        show(page, 'lr=1, epochs=2, loss=squared')
        assert re.search(r'became (NaN|infinite).* at epoch 1, batch \d+: a squared loss has no ceiling.*try lr below 0\.\d+\. Challenge 3', page.locator('#says').inner_text())
        show(page, 'lr=10000, epochs=20, shuffle=on, loss=cross_entropy')
        show(page, 'lr=0.05, epochs=10, shuffle=on, loss=cross_entropy, zero_grad=off')
        tasks = page.locator('#challenges li').all_inner_texts()
        assert ['done' in t for t in tasks] == [True]*5 + [False], tasks
        page.locator('polyline[data-run="1"]').first.dispatch_event('click')
        ended(page, 'd.recipe == "lr=10, epochs=20"')
        page.locator('#back').select_option('2')
        ended(page, 'd.recipe == "lr=10, epochs=20, shuffle=on"')
        page.evaluate('location.hash = "#lr=0.5,epochs=3,seed=1"')
        ended(page, 'd.recipe == "lr=0.5, epochs=3, seed=1"')
        assert page.locator('#seed').input_value() == '1'
        page.evaluate('location.hash = "#model=net"')
        page.wait_for_function('document.querySelector("#alert").innerText.includes("this page has linear")')
        page.locator('#clear').click()
        assert page.locator('tbody tr').count() == 1

@needs_browser
def test_keyboard_alone(chrome, built):
    "From the first control to a ticked challenge, and along the curve, without a mouse"
    with opened(chrome, built) as page:
        for key in ('Tab', 'Tab'): page.keyboard.press(key)
        assert page.evaluate('document.activeElement.id') == 'lr'
        page.keyboard.press('Control+A'); page.keyboard.type('2'); page.keyboard.press('Tab')
        ended(page, 'd.lr == "2"')
        page.keyboard.press('ArrowRight')                   # on the slider: a step up
        ended(page, 'd.lr == "2.51"')
        def tab_to(condition):
            for _ in range(40):
                if page.evaluate(condition): return
                page.keyboard.press('Tab')
            raise AssertionError(condition)
        tab_to('document.activeElement.id == "loss"'); page.keyboard.type('sq')
        ended(page, 'd.recipe.includes("loss=squared")')
        assert 'done' in page.locator('#challenges li').nth(2).inner_text()
        show(page, 'lr=1, epochs=5')
        tab_to('document.activeElement.matches(".pt")')
        assert 'epoch 5' in page.locator('.say').text_content()
        page.keyboard.press('ArrowLeft')
        assert 'epoch 4' in page.locator('.say').text_content()

@needs_browser
def test_touch_and_stop(chrome, built):
    "A finger on the slider retrains; a long run is stopped, and says so; a challenge is ticked; the theme can be switched"
    with opened(chrome, built, width=390, height=844, has_touch=True, is_mobile=True) as page:
        bar = page.locator('#lr + input')
        bar.scroll_into_view_if_needed()
        place = bar.bounding_box()
        page.touchscreen.tap(place['x'] + place['width']*.8, place['y'] + place['height']/2)
        ended(page, 'd.lr != "1" && d.lr == document.querySelector("#lr").value')
        page.locator('#recipe').fill('lr=0.1, epochs=100000'); page.locator('#recipe').press('Enter')
        page.wait_for_function('+document.querySelector(".charts").dataset.epoch > 3 && document.querySelector(".charts").dataset.epochs == "100000"')
        page.locator('#stop').tap()
        ended(page)
        assert 'where it was stopped' in page.locator('#says').inner_text()
        page.locator('#again').tap()
        ended(page, 'd.recipe == "lr=1, epochs=20"')
        assert 'open' in page.locator('#challenges li').nth(3).inner_text()
        page.locator('#shuffle').tap()                      # the switch that repairs the first epoch
        ended(page, 'd.recipe == "lr=1, epochs=20, shuffle=on"')
        assert page.locator('#says').inner_text().endswith('Challenge 4 is solved.')
        assert 'done' in page.locator('#challenges li').nth(3).inner_text()
        seen = set()
        for _ in range(3):
            page.locator('#theme').tap()
            seen.add(page.evaluate('getComputedStyle(document.body).getPropertyValue("--sgd-three")'))
        assert seen == {'#542788', '#b2abd2'}

@needs_browser
def test_dial_moves(chrome, built):
    "Turned to the right, the loss of a model that calls all images threes; louder, it is what the accuracy leaves"
    with opened(chrome, built) as page:
        page.locator('#dial summary').click()
        page.wait_for_function('document.querySelector("#dial output").textContent.startsWith("bias -15, loudness 0.2: accuracy")')
        def said(): return [float(n) for n in re.findall(r'-?[\d.]*\d', page.locator('#dial output').inner_text())]
        page.locator('#dial-bias').focus()
        page.keyboard.press('End')
        bias, loud, accuracy, slope, loss, _ = said()
        assert (bias, loud, slope) == (30, .2, 0) and abs(accuracy - .5) < .05 and abs(loss - .5) < .05
        page.keyboard.press('Home')
        for _ in range(7): page.keyboard.press('PageUp')
        page.locator('#dial-loudness').focus()
        page.keyboard.press('End')
        bias, loud, accuracy, _, loss, _ = said()
        assert -30 < bias < 30 and loud == 100 and abs(accuracy + loss - 1) < .01
        assert page.locator('#dial svg').count() == 2

@needs_browser
def test_mystery_moves(chrome, built):
    "Unfolded, dragged to the end, and solved by its switch"
    with opened(chrome, built) as page:
        page.locator('#mystery summary').click()
        page.wait_for_function('document.querySelector("#mystery output").textContent.startsWith("Before the first batch, in file order")')
        page.locator('#mystery-batch').focus()
        page.keyboard.press('End')
        said = page.locator('#mystery output').inner_text()
        assert said.startswith('After batch 49 (0% threes), in file order') and abs(float(re.search(r'accuracy (\S+);', said)[1]) - .5) < .05
        page.locator('#mystery-shuffle').click()
        said = page.locator('#mystery output').inner_text()
        assert 'shuffled' in said and float(re.search(r'accuracy (\S+);', said)[1]) > .9
        assert page.locator('#mystery svg').count() == 3

@needs_browser
def test_odometer_moves(chrome, built):
    "`backward()` twice doubles the stored gradient; what is pressed too early is refused in words"
    with opened(chrome, built) as page:
        page.locator('#odometer summary').click()
        for name, words in (('step()', 'step() failed, as .grad is None before backward()'), ('backward()', '1.00x the fresh one'), ('backward()', '2.00x the fresh one'), ('start again', 'Nothing pressed')):
            page.locator('#odometer').get_by_role('button', name=name, exact=True).click()
            page.wait_for_function('words => document.querySelector("#odometer output").textContent.includes(words)', arg=words)
        assert page.locator('#odometer svg').count() == 3

def test_size(built):
    "The page as a server would send it"
    assert len(gzip.compress(built.read_bytes(), 6)) < 2.6e6
