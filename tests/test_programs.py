"""Small random programs as answers: right ones and known wrong ones with a few of the usual moves made at random

Whatever comes of it, a check does not crash, says "right" only to what is right on other inputs as well, and says
nothing about the answer's code that is not in it.
"""
import ast, copy, functools, importlib, inspect, linecache, re, textwrap
import pytest, torch
from hypothesis import HealthCheck, given, settings, strategies as st
import mnist_sgd.practice.check as check

def drawn(*shape, seed): return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
def labels(n, seed): return (drawn(n, 1, seed=seed) > 0).float()
def batches(*sizes, seed): return [(drawn(n, 3, seed=seed + i), labels(n, seed + i + 70)) for i, n in enumerate(sizes)]
def scores(n, seed): return drawn(n, 1, seed=seed)*2, labels(n, seed + 1)
def bent(x): return x**3 - 2*x

from mnist_sgd.exercises.loop import FirstPixel

# By lesson and exercise: inputs that its own cases do not have
others = {
    ('data', 'to_rows'): [((drawn(n, 28, 28, seed=n)*60 + 120).clamp(0, 255).to(torch.uint8),) for n in (2, 6)],
    ('data', 'make_labels'): [(4, 2), (0, 3), (6, 6)],
    ('data', 'batches'): [(drawn(n, 3, seed=n), labels(n, n + 1), size) for n, size in ((7, 3), (8, 4), (4, 9))],
    ('init', 'my_linear'): [(drawn(n, d, seed=n), drawn(d, 1, seed=d), drawn(1, seed=9)) for n, d in ((2, 3), (7, 4))],
    ('init', 'my_saturated_share'): [(drawn(n, 1, seed=n)*6,) for n in (5, 40)],
    ('loss', 'my_mnist_loss'): [scores(n, n) for n in (3, 9, 20)],
    ('loss', 'my_accuracy'): [scores(n, n) for n in (6, 11, 50)],
    ('grad', 'my_slope'): [(bent, 1.5), (bent, -.25)],
    ('grad', 'my_linear_grad'): [(drawn(n, 4, seed=n), labels(n, n), drawn(4, 1, seed=2), drawn(1, seed=3)) for n in (3, 8)],
    ('grad', 'accumulate'): [(batches(3, 5, 2, seed=30), 8), (batches(4, seed=40), 9)],
    ('loop', 'my_step'): [([drawn(4, 1, seed=1), drawn(2, seed=2)], [drawn(4, 1, seed=3), drawn(2, seed=4)], .3)],
    ('loop', 'my_train_epoch'): [(batches(4, 2, 5, seed=50), .7)],
    ('loop', 'my_validate_epoch'): [(FirstPixel(), batches(5, 5, 1, seed=60)), (FirstPixel(), batches(9, 2, seed=61))],
    ('optimizer', 'MyOptim'): [([drawn(3, 1, seed=1), drawn(2, seed=2)], .2, 'sum of p**2')],
    ('learner', 'weighted_mean'): [([.1, .7, .4], [3, 1, 6]), ([2., 3.], [5, 2])],
    ('beyond', 'count_silent'): [(drawn(5, 4, seed=i).relu()*(torch.arange(4) > i),) for i in range(3)],
    ('many', 'my_average_grads'): [([[drawn(2, 3, seed=i), drawn(1, seed=i + 9)] for i in range(3)], [2, 7, 3])],
    ('many', 'read_twice'): [(2, 2), (11, 4), (2038, 8)]}


# Programs: the right answer or a known wrong one, as a tree, and moves that change it

def named(lesson, name): return getattr(importlib.import_module(f'mnist_sgd.exercises.{lesson}'), name)

@functools.cache
def programs(lesson, name):
    "Sources of answers to begin with"
    ex = named(lesson, name)
    found = []
    for f in (ex.reference, *(m.answer for m in ex.mistakes)):
        tree = ast.parse(textwrap.dedent(inspect.getsource(f)))
        keep = [d for d in tree.body[0].decorator_list if ast.unparse(d).startswith('torch.')]
        tree.body[0].decorator_list = keep
        found.append(ast.unparse(tree))
    return found

def spots(tree, kind):
    "Places of a tree where there is something of a kind: a list or a node, and the index or the field"
    for node in ast.walk(tree):
        for field, value in ast.iter_fields(node):
            if isinstance(value, list): yield from ((value, i) for i, v in enumerate(value) if isinstance(v, kind))
            elif isinstance(value, kind): yield node, field

def at(spot): return spot[0][spot[1]] if isinstance(spot[0], list) else getattr(*spot)
def put(spot, new):
    if isinstance(spot[0], list): spot[0][spot[1]] = new
    else: setattr(*spot, new)

def is_value(spot): return not isinstance(getattr(at(spot), 'ctx', None), (ast.Store, ast.Del))

def values(tree): return [s for s in spots(tree, ast.expr) if is_value(s)]

def wrapped(text):
    "A move that puts a value into an expression, where `X` stands for it"
    def move(tree, draw):
        spot = draw(values(tree))
        new, old = ast.parse(text, mode='eval').body, at(spot)
        if isinstance(new, ast.Name): new = old
        for s in spots(new, ast.Name):
            if at(s).id == 'X': put(s, old)
        put(spot, new)
    return move

def swap(tree, draw):
    "Two sides of an operation or a comparison, or two arguments of a call"
    spot = draw([s for s in spots(tree, (ast.BinOp, ast.Compare, ast.Call)) if not isinstance(at(s), ast.Call) or len(at(s).args) > 1])
    node = at(spot)
    if isinstance(node, ast.BinOp): node.left, node.right = node.right, node.left
    elif isinstance(node, ast.Compare): node.left, node.comparators[0] = node.comparators[0], node.left
    else: node.args[-2:] = node.args[:-3:-1]

def drop(tree, draw):
    spot = draw(list(spots(tree, ast.stmt)))
    put(spot, ast.Pass())

def repeat(tree, draw):
    body, i = draw([s for s in spots(tree, ast.stmt) if isinstance(s[0], list)])
    body.insert(i, copy.deepcopy(body[i]))

def outdent(tree, draw):
    "The last line of a loop after it"
    body, i = draw([s for s in spots(tree, (ast.For, ast.With)) if isinstance(s[0], list) and len(at(s).body) > 1])
    body.insert(i + 1, body[i].body.pop())

def constant(tree, draw): put(draw(values(tree)), ast.Constant(draw([0., 1., .5, 2, True, None])))

def rename(tree, draw):
    names = [s for s in spots(tree, ast.Name) if is_value(s)]
    draw_from = sorted({at(s).id for s in names} | {'nowhere'})
    put(draw(names), ast.Name(draw(draw_from), ast.Load()))

def other_method(tree, draw):
    pairs = {'mean': 'sum', 'sum': 'mean', 'sigmoid': 'tanh', 'zero_': 'detach', 'grad': 'data', 'T': 'data'}
    node = at(draw([s for s in spots(tree, ast.Attribute) if at(s).attr in pairs]))
    node.attr = pairs[node.attr]

def uncall(tree, draw):
    spot = draw([s for s in spots(tree, ast.Call) if isinstance(at(s).func, ast.Attribute)])
    put(spot, at(spot).func)

moves = [swap, drop, repeat, outdent, constant, rename, other_method, uncall, wrapped('-X'), wrapped('2*X'), wrapped('X/2'),
         wrapped('X.T'), wrapped('1 - X'), wrapped('X.sigmoid()'), wrapped('X.detach()'), wrapped('X.item()'), wrapped('(X,)')]

class Nothing(Exception): "There is no place for a move"

def changed(source, data):
    "The source after up to three moves"
    tree = ast.parse(source)
    def draw(choices):
        if not choices: raise Nothing
        return data.draw(st.sampled_from(choices))
    for move in data.draw(st.lists(st.sampled_from(moves), max_size=3)):
        try: move(tree, draw)
        except Nothing: pass
        ast.fix_missing_locations(tree)
    return ast.unparse(tree)

count = iter(range(10**9))

def answer_of(lesson, name, source):
    "The answer that a program makes, with its source where `inspect` finds it; None where it is no program"
    ex, place = named(lesson, name), f'<program {next(count)}>'
    linecache.cache[place] = len(source), None, source.splitlines(True), place
    names = dict(vars(importlib.import_module(f'mnist_sgd.exercises.{lesson}')), __name__='programs')
    try:
        exec(compile(source, place, 'exec'), names)
        made = names[re.match(r'(?:@.*\n)*def (\w+)', source)[1]]
        return made() if ex.is_value else made
    except Exception: return None

def observed(ex, answer, case):
    got, _ = check._run(ex, answer, case, 5.)
    return got


# What has to hold

def squeezed(text): return re.sub(r'[\s()]', '', text).replace('"', "'")

def whole(answer): return ' '.join(text for text, _ in check.Code(answer).trees)    # with what it calls

def unfounded(ex, source, verdict):
    "Code that a diagnosis names and that is neither in the answer nor among the words of the task"
    known = squeezed(source) + squeezed(ex.task + check._source(ex) + ' '.join(ex.inputs))
    known += 'cpumeta.grad.losses|&<>abs' + f'ex.{ex.name}.hint' + ' '.join(map(str, (torch.int64, torch.bool, torch.float64)))
    quoted = [code for code in re.findall('`([^`]+)`', verdict.diagnosis) if not re.fullmatch(r'\[[\w,+]*\]', code)]   # a shape
    return [code for code in quoted if squeezed(code) not in known]

# Words that say something about the code, and what has to be in it
claims = {'logarithm': r'log|entropy', 'cross-entropy': r'log|entropy|sigmoid', 'has no parentheses': r'\.\w+', 'autograd': 'grad'}

def contradicted(source, verdict):
    return [words for words, form in claims.items() if words in verdict.diagnosis and not re.search(form, source)]

@pytest.mark.parametrize('lesson, name', list(others), ids=[name for _, name in others])
def test_random_programs(lesson, name):
    ex = named(lesson, name)

    @settings(max_examples=15, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def holds(data):
        source = changed(data.draw(st.sampled_from(programs(lesson, name))), data)
        answer = answer_of(lesson, name, source)
        if answer is None: return
        verdict = check._verdict(ex, answer, 5.)
        assert repr(verdict) and verdict._repr_html_()
        if verdict:
            for case in others[lesson, name]:
                got, want = observed(ex, answer, case), observed(ex, ex.right, case)
                assert check._agrees(ex, check.Attempt(case, got, want)), f'right by accident:\n{source}\n{got}\n{want}'
        assert not unfounded(ex, source + whole(answer), verdict), f'{source}\n{verdict}'
        assert not contradicted(source, verdict), f'{source}\n{verdict}'
    holds()


# The test is tested

@pytest.mark.parametrize('lesson, name', list(others), ids=[name for _, name in others])
def test_inputs_are_others(lesson, name):
    "The right answer is right on the inputs that are kept back, and each known mistake shows on them or on the exercise's own"
    ex = named(lesson, name)
    for case in others[lesson, name]: assert not isinstance(observed(ex, ex.right, case), check.Failure)
    assert all(answer_of(lesson, name, source) is not None for source in programs(lesson, name)[:1])

def test_sees_what_is_unfounded():
    ex = named('loop', 'my_step')
    source = 'def f(params, lr):\n    for w in params: w = w - lr*w.grad'
    def told(diagnosis): return check.Verdict('my_step', 'not yet', diagnosis)
    assert unfounded(ex, source, told('Did you write `p = p - ...`?')) == ['p = p - ...']
    assert not unfounded(ex, source, told('`w = w - lr*w.grad` makes a new tensor, so no tensor of `params` has moved.'))
    assert contradicted(source, told('There is a logarithm in it.')) == ['logarithm']

def test_moves_move():
    "Each move changes the program somewhere"
    source = programs('loop', 'my_train_epoch')[0] + '\ndef g(x):\n    return torch.where(x.T > 0, x.mean(), 1 - x)'
    for move in moves:
        tree = ast.parse(source)
        move(tree, lambda choices: choices[len(choices)//2])
        assert ast.unparse(ast.fix_missing_locations(tree)) != ast.unparse(ast.parse(source)), move
