"""A slider moved while a cell runs: each panel, gate and check, in the three orders in which kernels deal with it

ipykernel 6 lets the move wait for the cell and runs it in the main thread; 7.1 runs it in another thread beside the cell;
7.4 does both by turns: a control's first move waits, the later ones run beside the cell. The test speaks the kernel's
protocol as JupyterLab does, subshell and all, and keeps what a page would show, from what the kernel sends.
"""
import json, os, time, uuid
from pathlib import Path
import ipykernel, pytest
from jupyter_client.manager import start_new_kernel

root = Path(__file__).parent.parent
version = tuple(map(int, ipykernel.__version__.split('.')[:2]))
orders = ['waits', *['beside']*(version >= (7, 0)), *['by turns']*(version >= (7, 4))]
seconds = 300
unread = 'ipykernel 7.0 to 7.3 may leave a request unread that comes while a reply leaves (github.com/ipython/ipykernel/issues/1554)'
pytestmark = pytest.mark.ci

class Page:
    "What a browser is to a kernel: it runs cells, moves controls, and keeps what the kernel sends for show"
    def __init__(self):
        env = os.environ | dict(PYTHONPATH=str(root), MNIST_SGD_DATA='offline', OMP_NUM_THREADS='1', MPLBACKEND='agg')
        self.manager, self.client = start_new_kernel(env=env)
        self.shown, self.over, self.printed = {}, set(), {}
        self.subshell, self.stuck = None, False
        if version >= (7, 0):
            asked = self.send('create_subshell_request', {}, channel='control')
            while (reply := self.client.get_control_msg(timeout=seconds))['parent_header'].get('msg_id') != asked: pass
            self.subshell = reply['content']['subshell_id']

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def send(self, kind, content, subshell=None, channel='shell', **metadata):
        msg = self.client.session.msg(kind, content, metadata=metadata)
        if subshell: msg['header']['subshell_id'] = subshell
        getattr(self.client, f'{channel}_channel').send(msg)
        return msg['header']['msg_id']

    def cell(self, code, subshell=None):
        "Start a cell; the id of its message"
        content = dict(code=code, silent=False, store_history=False, user_expressions={}, allow_stdin=False, stop_on_error=True)
        return self.send('execute_request', content, subshell, cellId=uuid.uuid4().hex)

    def run(self, code, subshell=None):
        "Run a cell to its end"
        self.until(lambda cell=self.cell(code, subshell): cell in self.over)

    def ask(self, expression, subshell=None):
        "The value of an expression in the kernel"
        mark = f'{uuid.uuid4().hex} '
        cell = self.cell(f'print({mark!r} + json.dumps({expression}))', subshell)
        self.until(lambda: cell in self.over and mark in ''.join(self.printed.values()))     # 7.1 may file it under another cell
        found, _ = json.JSONDecoder().raw_decode(''.join(self.printed.values()).split(mark)[1])
        return found

    def move(self, model, state, subshell):
        "Move a control, or press a button (no `state`)"
        data = dict(method='update', state=state, buffer_paths=[]) if state else dict(method='custom', content=dict(event='click'))
        return self.send('comm_msg', dict(comm_id=model, data=data), subshell)

    def until(self, done, limit=seconds):
        "Take what the kernel sends until `done()`; fails at an error in a cell, and skips where the kernel may have left a request unread"
        heard = time.monotonic()
        end = heard + limit
        while not done():
            if (7, 0) <= version < (7, 4):
                self.stuck = self.stuck or time.monotonic() > heard + seconds/5
                if self.stuck: pytest.skip(unread)
            assert time.monotonic() < end, f'still waiting; printed: {self.printed}'
            try: msg = self.client.get_iopub_msg(timeout=.05)
            except Exception as e:
                if type(e).__name__ != 'Empty': raise
                continue
            heard = time.monotonic()
            content, parent = msg['content'], msg['parent_header'].get('msg_id')
            if msg['msg_type'] == 'status' and content['execution_state'] == 'idle': self.over.add(parent)
            elif msg['msg_type'] == 'comm_open': self.shown[content['comm_id']] = dict(content['data'].get('state', {}))
            elif msg['msg_type'] == 'comm_msg': self.shown.setdefault(content['comm_id'], {}).update(content['data'].get('state', {}))
            elif msg['msg_type'] == 'stream': self.printed[parent] = self.printed.get(parent, '') + content['text']
            elif msg['msg_type'] == 'error': raise AssertionError('\n'.join(content['traceback']))

prepare = '''
import json, os, threading, time, warnings
import torch, ipywidgets as w
from mnist_sgd.data import load_data, TensorLoader
from mnist_sgd.init import init_params
from mnist_sgd.panels.beyond import *
from mnist_sgd.panels.data import *
from mnist_sgd.panels.grad import *
from mnist_sgd.panels.init import *
from mnist_sgd.panels.learner import *
from mnist_sgd.panels.live import *
from mnist_sgd.panels.loop import *
from mnist_sgd.panels.loss import *
from mnist_sgd.panels.optimizer import *
from mnist_sgd.panels.sweep import *
from mnist_sgd.buglab.game import BugLab
from mnist_sgd.exercises import loop as ex
from mnist_sgd.lab.lab import Lab, Training
from mnist_sgd.practice.predict import predict
from mnist_sgd.runs.many import run_many
from mnist_sgd.runs.recipe import Recipe
from mnist_sgd.widgets.page import status_html
from mnist_sgd.widgets.panel import Panel
data = load_data('offline')
torch.manual_seed(0)
start = init_params((28*28, 1), .01), init_params(1, .01)
xb, yb = data.train_x[::100], data.train_y[::100]
def dl(): return TensorLoader(data.train_x, data.train_y, 256)
swept = [run for run in run_many([Recipe(lr=lr, epochs=3) for lr in (.1, 1., 10.)], data)]

def slide(c, v): return c.children[1].model_id, dict(value=v)
def typed(c, text): return c.children[0].model_id, dict(value=text)
def tick(c, on): return c.model_id, dict(value=on)
def pick(c, i): return c.model_id, dict(index=i)
def buttons(c): return [c] if isinstance(c, w.Button) else [b for child in getattr(c, 'children', ()) for b in buttons(child)]
def press(c, text): return next(b for b in buttons(c) if b.description == text).model_id, None

running, log = False, []
def note(change): log.append((threading.current_thread() is threading.main_thread(), running))
def wait_for(path, meanwhile=lambda: None):
    print('running', flush=True)
    end = time.monotonic() + 250
    while not os.path.exists(path) and time.monotonic() < end:
        meanwhile()
        time.sleep(.005)
def agrees(p):
    "Is what the panel shows what a new one shows for the same values?"
    new, s = make(), p.state
    new.run(**p.values)
    words = (Training if isinstance(p, Training) else type(p)).summary
    def said(panel): return words(panel.state) if isinstance(vars(type(panel)).get('summary'), staticmethod) else words(panel, panel.state)
    return dict(error=repr(p.error), said=said(p) == said(new), drawn=p.picture.value == p.svg(s),
                told=p.text.value == status_html(p.summary(s)), values=str(p.values) == str(new.values))
'''

# By panel: how it is made, the first moves, and the later ones, of the same controls
panels = dict(
    BatchStrip=('BatchStrip(data)', 'slide(c["batch"], 5), tick(c["shuffle"], True)', 'slide(c["batch"], 20), tick(c["shuffle"], False)'),
    ShapeLens=('ShapeLens()', 'slide(c["n"], 3), pick(c["answers"], 1)', 'slide(c["n"], 8), pick(c["answers"], 2)'),
    DigitLook=('DigitLook(data)', 'slide(c["image"], 9),', 'slide(c["image"], 4000),'),
    SaturationDial=('SaturationDial(data)', 'slide(c["std"], 10.),', 'slide(c["std"], .1),'),
    BiasDial=('BiasDial(data.valid_x@start[0], data.valid_y)', 'slide(c["bias"], 3.), slide(c["loud"], 10.)',
              'slide(c["bias"], -2.), slide(c["loud"], 1.)'),
    Odometer=('Odometer(xb, yb, start)', 'press(c["presses"], "backward()"),',
              'press(c["presses"], "backward()"), press(c["presses"], "step()")'),
    Chain=('Chain()', 'slide(c["score"], -3.), pick(c["label"], 1)', 'slide(c["score"], 2.), pick(c["label"], 0)'),
    StepDebugger=('StepDebugger(dl(), start)', 'press(c["presses"], "batch"), press(c["presses"], "predict")',
                  'press(c["presses"], "loss"), press(c["presses"], "backward")'),
    MomentumPanel=('MomentumPanel(data)',
                   'slide(c["momentum"], .9), tick(c["shuffle"], False)', 'slide(c["momentum"], .3), tick(c["shuffle"], True)'),
    RungPanel=('RungPanel(data)', 'slide(c["step"], 9), pick(c["lr"], 2)', 'slide(c["step"], 30), pick(c["lr"], 0)'),
    Mystery=('Mystery(data)', 'slide(c["batch"], 9), tick(c["shuffle"], True)', 'slide(c["batch"], 30), tick(c["shuffle"], False)'),
    SweepPanel=('SweepPanel(swept, data)', 'slide(c["lr"], .1), slide(c["epoch"], 1)', 'slide(c["lr"], 10.), slide(c["epoch"], 2)'),
    CompassPanel=('CompassPanel(swept[1], data)', 'slide(c["batch_size"], 64), slide(c["epoch"], 2)',
                  'slide(c["batch_size"], 512), slide(c["epoch"], 3)'),
    DigitsPanel=('DigitsPanel()', 'slide(c["hidden"], 5), slide(c["lr"], 1.)', 'slide(c["hidden"], 2), slide(c["lr"], .5)'),
    ComputersPanel=('ComputersPanel()', 'slide(c["order"], 3),', 'slide(c["order"], 1),'),
    Lab=('Lab("lr=1, epochs=3", data)', 'slide(c["lr"], .1), tick(c["shuffle"], True)',
         'slide(c["lr"], 3.), tick(c["shuffle"], False), (p.line.model_id, dict(value="lr=0.5, epochs=2, model=net"))'),
    BugLab=('BugLab("calm-fox", data)', 'press(c["moves"], "shapes"),', 'press(c["moves"], "order"), press(c["moves"], "Give up")'),
)

@pytest.fixture(scope='module')
def page():
    page = Page()
    page.run(prepare)
    yield page
    page.close()

busy = '''
running, alone = True, torch.is_grad_enabled()
with torch.no_grad():
    wait_for({path!r})
    inside = torch.is_grad_enabled()
running = False
assert alone and torch.is_grad_enabled() and not inside, 'a move has changed the grad mode of the cell'
'''

def moves_beside(page, moves, through, waits, path, cell=busy):
    "Make `moves` while a cell is running; then let it end, and the panel come to rest"
    page.run('log.clear()')
    moves = page.ask(f'[*({moves})]')
    cell = page.cell(cell.format(path=str(path)))
    page.until(lambda: page.printed.get(cell) == 'running\n')
    sent = []
    for model, state in moves:
        sent.append(page.move(model, state, through))
        if state and not waits: page.until(lambda: sent[-1] in page.over)
    if not waits: page.run('assert p.wait(250)', page.subshell)                  # the work is done while the cell runs
    elif page.subshell: page.run('pass', page.subshell)                          # by then the kernel has put them behind the cell
    else: time.sleep(.1)
    assert cell not in page.over
    path.touch()
    page.until(lambda: page.over >= {cell, *sent})
    page.run('assert p.wait(250)')
    threads = page.ask('log')                                                 # a press waits in 7.4: its comm has sent nothing
    if waits or version < (7, 4) or all(state for _, state in moves):
        assert threads and all(found == [waits, not waits] for found in threads), threads

def in_order(page, first, later, order, folder, cell=busy):
    "Two rounds of moves of the same controls, each round beside a cell"
    if order == 'beside':                                                     # in 7.4 that is a control's second move
        for model, state in page.ask(f'[*({first}), *({later})]'):
            page.until(lambda sent=page.move(model, state, page.subshell): sent in page.over)
        page.run('assert p.wait(250)')
    through = page.subshell if order != 'waits' else None
    moves_beside(page, first, through, order != 'beside', folder/'first', cell)
    moves_beside(page, later, through, order == 'waits', folder/'later', cell)

def is_shown(page, *widgets):
    "Does the page show what the kernel says these show?"
    for widget in widgets:
        model, value = page.ask(f'[{widget}.model_id, {widget}.value]')
        page.until(lambda: page.shown[model]['value'] == value, 20)          # what other threads send may come after what a cell prints

@pytest.mark.parametrize('order', orders)
@pytest.mark.parametrize('name', panels)
def test_panel(page, name, order, tmp_path, request):
    "The same final result in each order, on the page and in the kernel, with the work done under the cell's `no_grad`; with --orders 1 the last order alone"
    if order != orders[-1] and request.config.getoption('--orders') < 2: pytest.skip('the last order alone, with --orders 1')
    make, first, later = panels[name]
    page.run(f'''make = lambda: {make}
p = make()
c = p.controls
p.run()
for control in c.values(): control.observe(note, 'value')
p''')
    in_order(page, first, later, order, tmp_path)
    assert page.ask('agrees(p)') == dict(error='None', said=True, drawn=True, told=True, values=True)
    is_shown(page, 'p.picture', 'p.text')
    page.run('p.close()')

@pytest.mark.parametrize('order', orders)
def test_gate_of_words(page, order, tmp_path):
    "A guess is the last one made"
    page.run('''p = predict(among=('up', 'down', 'stuck'), ask='The loss?')
p.wait = lambda limit: True
p.control.observe(note, 'value')
p''')
    in_order(page, 'pick(p.control, 0),', 'pick(p.control, 1), pick(p.control, 2)', order, tmp_path)
    assert page.ask('[p.value, p.summary, repr(p.reveal("stuck"))]') == [
        'stuck', 'Your guess: stuck.', 'You said stuck, and it is stuck: right.']
    is_shown(page, 'p.text')

@pytest.mark.parametrize('order', orders)
def test_gate_of_numbers(page, order, tmp_path):
    "The slider, or the button for where it stands, makes the guess"
    page.run('''p = predict(between=(0, 1), ask='The accuracy?')
p.wait = lambda limit: True
p.control.observe(note, 'value')
p''')
    guess = 'press(p.widget, "this is my guess")'
    in_order(page, f'{guess}, slide(p.control, .3)', f'slide(p.control, .8), {guess}', order, tmp_path)
    assert page.ask('[p.value, p.summary, repr(p.reveal(.81))]') == [
        .8, 'Your guess: 0.8.', 'You said 0.8, and it is 0.81: near enough.']
    is_shown(page, 'p.text')

checking = '''
running = True
with torch.no_grad():
    wait_for({path!r}, lambda: mine.append(judged(len(mine))))
    assert not torch.is_grad_enabled()
running = False
'''

@pytest.mark.parametrize('order', orders)
def test_check(page, order, tmp_path):
    "A check says in a callback what it says alone, even while a cell checks, and neither changes the other's surroundings"
    page.run('''answers = [ex.my_train_epoch.right, *(m.answer for m in ex.my_train_epoch.mistakes[:4])]
def judged(i): return str(ex.my_train_epoch.check(answers[i % len(answers)]))
alone = [judged(i) for i in range(len(answers))]
assert alone[0].startswith('my_train_epoch: right') and len(set(alone)) == len(alone)
mine, said, filters, state = [], [], list(warnings.filters), torch.get_rng_state()
class Checked(Panel):
    def __init__(self): super().__init__(dict(n=w.IntSlider(0, 0, 99)))
    def _changed(self, change=None): said.append((self.values['n'], judged(self.values['n'])))
p = Checked()
p.controls['n'].observe(note, 'value')''')
    def moves(numbers): return ', '.join(f'(p.controls["n"].model_id, dict(value={n}))' for n in numbers)
    in_order(page, moves((6, 11)), moves(range(20, 30)), order, tmp_path, checking)
    assert page.ask('all(text == alone[n % len(alone)] for n, text in said)') and page.ask('len(said)') >= 11
    assert page.ask('[text == alone[n % len(alone)] for n, text in enumerate(mine)]') == [True]*page.ask('len(mine)')
    assert page.ask('len(mine)') and page.ask('warnings.filters == filters and torch.equal(state, torch.get_rng_state())')

@pytest.mark.parametrize('order', orders)
def test_print(page, order, tmp_path):
    "What a panel prints is filed under what it works for, and not under the cell that runs meanwhile"
    page.run('''class Loud(Panel):
    def __init__(self): super().__init__(dict(n=w.IntSlider(0, 0, 99)))
    def work(self, n):
        time.sleep(.2)
        print(f'for {n}', flush=True)
        yield n
    def svg(self, n): return f'{n}'
    def summary(self, n): return f'{n}'
p = Loud()
p.controls['n'].observe(note, 'value')''')
    cells = [page.cell(f'p.set(n={n})' + '\nassert p.wait()'*(n == 1)) for n in (1, 2)]
    page.until(lambda: page.over >= {*cells})
    moves_beside(page, '(p.controls["n"].model_id, dict(value=3)),', page.subshell if order != 'waits' else None, True, tmp_path/'a')
    through = page.subshell if order != 'waits' else None
    model, cell = page.ask('p.controls["n"].model_id'), page.cell(busy.format(path=str(tmp_path/'b')))
    page.until(lambda: page.printed.get(cell) == 'running\n')
    moved = page.move(model, dict(value=4), through)
    (tmp_path/'b').touch()
    page.until(lambda: page.over >= {cell, moved})
    page.run('assert p.wait(250)')
    page.until(lambda: 'for 4' in ''.join(page.printed.values()), 10)
    assert [page.printed.get(c) for c in cells] == ['for 1\n', 'for 2\n'], page.printed
    assert page.printed.get(moved) == 'for 4\n' and page.printed[cell] == 'running\n', page.printed

@pytest.mark.skipif(version < (7, 0), reason='here every press waits for the cell')
def test_stop(page, tmp_path):
    "A run that a hand has started beside a cell can be stopped beside it, too"
    page.run('''p = Lab('lr=1, epochs=2', data)
p.run()
p''')
    model, state = page.ask('slide(p.controls["lr"], 2.)')
    page.until(lambda sent=page.move(model, state, page.subshell): sent in page.over)
    page.run('assert p.wait(250)')
    epochs, number = page.ask('typed(p.controls["epochs"], "900")')
    stop = page.ask('p.stop_button.model_id')
    page.until(lambda sent=page.move(epochs, dict(value='3'), page.subshell): sent in page.over)
    page.run('assert p.wait(250)')
    cell = page.cell(busy.format(path=str(tmp_path/'a')))
    page.until(lambda: page.printed.get(cell) == 'running\n')
    page.until(lambda sent=page.move(epochs, number, page.subshell): sent in page.over)
    page.until(lambda: page.shown[stop].get('button_style') == 'warning')
    page.until(lambda sent=page.move(stop, None, page.subshell): sent in page.over)
    page.run('assert p.wait(20)', page.subshell)
    assert cell not in page.over
    (tmp_path/'a').touch()
    page.until(lambda: cell in page.over)
    assert page.ask('[p.state.recipe.epochs, p.state.history[-1].epoch < 900]') == [900, True]
    page.run('p.close()')
