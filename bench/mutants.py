"""Which small changes to the library pass unseen? Mutants of the lessons' code, each run against its own notebook

    python bench/mutants.py run                        # all of them, or on from where it stopped
    python bench/mutants.py run --sample 200 --seed 0  # a random sample
    python bench/mutants.py run --survivors            # only what has survived so far, after tests were added
    python bench/mutants.py run --wider                # survivors, against what else mentions the function
    python bench/mutants.py report                     # bench/MUTANTS.md

`mutmut` and `cosmic-ray` do not fit: both change a module and start a test command anew, but here the tests are cells beside
a second copy of the code, so that a notebook would test its own unchanged copy, after seconds of importing torch.
So these operators over the AST change module and cell alike, and the runner of tests/cells.py forks for each.
Verdicts are appended to bench/mutants.jsonl; the last one counts. It takes an hour or more; it is no test.

Left out, as they draw or only speak: subclasses of `Panel`, functions that import matplotlib, functions named `figure`,
`summary`, `_draw*`, `_write*` and `_show*`; docstrings, annotations, f-strings, imports, what is told in an error.
"""
import argparse, ast, json, os, random, re, shutil, subprocess, sys, tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

root = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root/'tests'))
import cells
from test_damage import make_copy

modules = ('data', 'init', 'loss', 'grad', 'loop', 'optimizer', 'learner', 'runs.recipe', 'digits.images', 'digits.formats',
           'digits.sources', 'runs.engine',
           'runs.closed')
tests = {'data': ['test_sources'], 'digits.images': ['test_sources'], 'digits.formats': ['test_sources'],
         'digits.sources': ['test_sources'], 'runs.closed': ['test_capture']}   # pytest files of a module
wider = {name: ['runs/many', 'runs/engine', 'runs/closed'] for name in ('runs.engine', 'runs.closed')}  # notebooks that need not name it
verdicts = Path(__file__).with_suffix('.jsonl')
cpu, seconds = 120, 600               # a mutant may never end: limits of what it works, and of the clock


# Where things are

def module_path(name): return root/'mnist_sgd'/f"{name.replace('.', '/')}.py"
def notebook_of(name):
    return re.search(r'File to edit: (?:\.\./)+nbs/(\S+)\.ipynb', module_path(name).read_text(encoding='utf-8'))[1]


# Mutants

class Mutant(NamedTuple):
    module: str
    name: str       # Function or class it is in
    kind: str       # Operator
    statement: str  # Text of the top-level statement, as in the module and in its cell
    start: int      # What is replaced in the statement, in bytes
    stop: int
    new: str

    @property
    def changed(self):
        raw = self.statement.encode()
        return (raw[:self.start] + self.new.encode() + raw[self.stop:]).decode()
    @property
    def id(self):
        "The line it changes, before and after: says what it is, and stays when other lines change"
        old, new = self.statement.split('\n'), self.changed.split('\n')
        at = len(self.statement.encode()[:self.start].decode().split('\n')) - 1
        same = sum(line == old[at] for line in old[:at])              # which of several equal lines
        end = at + 1 + max(len(new) - len(old), 0)
        note = f' ({same + 1})' if same else ''
        return f"{self.module}.{self.name}: `{old[at].strip()}`{note} -> `{' '.join(x.strip() for x in new[at:end])}`"

swaps = {ast.Lt: '<=', ast.LtE: '<', ast.Gt: '>=', ast.GtE: '>', ast.Eq: '!=', ast.NotEq: '==',
         ast.Is: 'is not', ast.IsNot: 'is', ast.In: 'not in', ast.NotIn: 'in'}
other = {ast.Add: '-', ast.Sub: '+', ast.Mult: '/', ast.Div: '*', ast.FloorDiv: '*', ast.Mod: '*', ast.Pow: '*',
         ast.BitOr: '&', ast.BitAnd: '|'}
signs = {ast.Add: '+', ast.Sub: '-', ast.Mult: '*', ast.Div: '/', ast.FloorDiv: '//', ast.Mod: '%', ast.Pow: '**',
         ast.MatMult: '@', ast.BitOr: '|', ast.BitAnd: '&'}
libraries = {'torch', 'np', 'os', 'F', 'nn', 'ast', 're', 'math', 'hashlib', 'io', 'tarfile', 'tempfile', 'threading'}

def left_out(node):
    "Does it draw?"
    if isinstance(node, ast.ClassDef): return any(getattr(b, 'id', '') == 'Panel' for b in node.bases)
    if not isinstance(node, ast.FunctionDef): return False
    drawn = any(isinstance(n, (ast.Import, ast.ImportFrom)) and 'matplotlib' in ast.unparse(n) for n in ast.walk(node))
    return drawn or bool(re.match(r'figure$|summary$|_draw|_write|_show', node.name))

def names_a_library(node):
    while isinstance(node, ast.Attribute): node = node.value
    return isinstance(node, ast.Name) and node.id in libraries

class Finder(ast.NodeVisitor):
    "All mutants of a top-level statement"
    def __init__(self, module, statement, name):
        self.module, self.statement, self.name, self.found = module, statement, name, []
        lines = statement.encode().split(b'\n')
        self.starts = [sum(len(x) + 1 for x in lines[:i]) for i in range(len(lines))]

    def span(self, node):
        return (self.starts[node.lineno-1] + node.col_offset, self.starts[node.end_lineno-1] + node.end_col_offset)
    def text(self, node):
        start, stop = self.span(node)
        return self.statement.encode()[start:stop].decode()
    def add(self, kind, node, new, span=None):
        mutant = Mutant(self.module, self.name, kind, self.statement, *(span or self.span(node)), new)
        try: same = ast.dump(ast.parse(mutant.changed)) == ast.dump(ast.parse(self.statement))
        except SyntaxError: return
        if not same: self.found.append(mutant)

    def body(self, stmts):
        for s in stmts:
            if left_out(s): continue
            if isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant): continue          # a docstring
            if isinstance(s, (ast.Expr, ast.AugAssign, ast.Raise)): self.add('statement dropped', s, 'pass')
            self.visit(s)

    def visit_FunctionDef(self, node):
        for d in node.decorator_list:
            start, stop = self.span(d)
            self.add('decorator dropped', d, '#', (start - 1, start)); self.visit(d)
        for d in [*node.args.defaults, *filter(None, node.args.kw_defaults)]: self.visit(d)
        self.body(node.body)
    def visit_ClassDef(self, node):
        for d in node.decorator_list: self.visit(d)
        self.body(node.body)
    def visit_AnnAssign(self, node):
        if node.value: self.visit(node.value)
    def visit_JoinedStr(self, node): pass
    def visit_Raise(self, node): pass
    def visit_Import(self, node): pass
    def visit_ImportFrom(self, node): pass
    def visit_If(self, node):
        self.condition(node.test); self.body(node.body); self.body(node.orelse)
    def visit_For(self, node): self.visit(node.iter); self.body(node.body)
    def visit_While(self, node): self.condition(node.test); self.body(node.body)
    def visit_With(self, node):
        for i in node.items: self.visit(i)
        self.body(node.body)
    def visit_Try(self, node):
        self.body(node.body); self.body(node.orelse)
        for h in node.handlers: self.body(h.body)
    def visit_IfExp(self, node):
        self.condition(node.test); self.visit(node.body); self.visit(node.orelse)
    def condition(self, test):
        if not isinstance(test, (ast.Compare, ast.BoolOp, ast.Constant)):
            negated = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
            if not negated: self.add('condition turned', test, f'(not ({self.text(test)}))')
        self.visit(test)

    def visit_Compare(self, node):
        left = node.left
        for op, right in zip(node.ops, node.comparators):
            if type(op) in swaps:
                self.add('comparison', node, f' {swaps[type(op)]} ', (self.span(left)[1], self.span(right)[0]))
            left = right
        self.generic_visit(node)
    def visit_BoolOp(self, node):
        word = 'or' if isinstance(node.op, ast.And) else 'and'
        for a, b in zip(node.values, node.values[1:]):
            start, stop = self.span(a)[1], self.span(b)[0]
            between = self.statement.encode()[start:stop].decode()
            self.add('and/or', node, re.sub(r'\b(and|or)\b', word, between), (start, stop))
        self.generic_visit(node)
    def visit_UnaryOp(self, node):
        if not isinstance(node.op, ast.Invert): self.add('sign or `not` dropped', node, f'({self.text(node.operand)})')
        self.visit(node.operand)
    def visit_BinOp(self, node):
        left, right = self.text(node.left), self.text(node.right)
        if isinstance(node.left, ast.Constant) and isinstance(node.left.value, str): return     # put together in words
        if type(node.op) in other:
            self.add('other operator', node, f'({left}) {other[type(node.op)]} ({right})')
        if isinstance(node.op, (ast.Sub, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult)):
            self.add('operands swapped', node, f'({right}) {signs[type(node.op)]} ({left})')
        self.generic_visit(node)
    def visit_Constant(self, node):
        v = node.value
        if isinstance(v, bool): self.add('constant', node, str(not v))
        elif isinstance(v, (int, float)):
            for new in (v + 1, v - 1): self.add('constant', node, repr(new) if new >= 0 else f'({new!r})')
    def visit_Subscript(self, node):
        if isinstance(node.slice, ast.Slice) and isinstance(node.ctx, ast.Load):
            self.add('slice dropped', node, self.text(node.value))
        self.generic_visit(node)
    def visit_Call(self, node):
        for k in node.keywords:
            if k.arg is None: continue
            self.add('keyword argument dropped', node, self.without(node, k))
        args, method = node.args, isinstance(node.func, ast.Attribute) and not names_a_library(node.func)
        if method and len(args) == 1 and isinstance(args[0], ast.Constant) and not isinstance(args[0].value, str):
            self.add('argument dropped', node, self.without(node, args[0]))
        if method: self.add('call dropped', node, self.text(node.func.value))
        elif len(args) == 1 and not node.keywords and not isinstance(args[0], (ast.Starred, ast.GeneratorExp)):
            self.add('call dropped', node, f'({self.text(args[0])})')
        self.generic_visit(node)
    def without(self, node, out):
        kept = [self.text(x) for x in [*node.args, *node.keywords] if x is not out]
        return f"{self.text(node.func)}({', '.join(kept)})"

def find_mutants():
    "Every mutant of `modules`"
    found = []
    for module in modules:
        text = module_path(module).read_text(encoding='utf-8')
        lines = text.split('\n')
        for node in ast.parse(text).body:
            if left_out(node) or isinstance(node, (ast.Import, ast.ImportFrom)): continue
            name = getattr(node, 'name', None) or ast.unparse(node).split(' =')[0].split('(')[0]
            if name == '__all__': continue
            first = min([node.lineno, *(d.lineno for d in getattr(node, 'decorator_list', ()))])
            statement = '\n'.join(lines[first-1:node.end_lineno])
            finder = Finder(module, statement, name)
            finder.body(ast.parse(statement).body)
            found += finder.found
    return list({m.id: m for m in found}.values())


# Runs

def job(mutant, folder, test):
    "A copy of the library with `mutant` in it, and the job that runs `test` there: a notebook, or a file of pytest's"
    notebook = notebook_of(mutant.module)
    made = make_copy(folder, notebook if test in pytest_files() else test)
    path = folder/module_path(mutant.module).relative_to(root)
    text = path.read_text(encoding='utf-8')
    assert text.count(mutant.statement) == 1, f'{mutant.name} is not once in {path.name}'
    path.write_text(text.replace(mutant.statement, mutant.changed), encoding='utf-8')
    if test in pytest_files():
        (folder/'tests').mkdir()
        for name in ('conftest', test): shutil.copy(root/'tests'/f'{name}.py', folder/'tests')
        arguments = ['-x', '-q', '-p', 'no:cacheprovider', str(folder/'tests'/f'{test}.py')]
        made['cells'] = [f'import pytest\nassert pytest.main({arguments}) == 0']
    elif test == notebook:
        hits = [i for i, cell in enumerate(made['cells']) if mutant.statement in cell]
        assert len(hits) == 1, f'{mutant.name} is in {len(hits)} cells of {notebook}'
        made['cells'][hits[0]] = made['cells'][hits[0]].replace(mutant.statement, mutant.changed)
    (folder/'cache'/'mnist_sgd').mkdir(parents=True)                # of its own: a mutant may write nonsense to it
    for kept in (folder.parent/'cache'/'mnist_sgd').iterdir(): (folder/'cache'/'mnist_sgd'/kept.name).symlink_to(kept)
    made['cells'].insert(0, f"import os, resource\nos.environ['XDG_CACHE_HOME'] = {str(folder/'cache')!r}\n"
                            f"resource.setrlimit(resource.RLIMIT_CPU, ({cpu}, {cpu}))")
    return made

def pytest_files(): return {name for names in tests.values() for name in names}

def leaning(mutant, most=4):
    "What else may notice it: notebooks whose code names the function, a few of them, and files of pytest's"
    own, pattern = notebook_of(mutant.module), re.compile(rf'\b{re.escape(mutant.name)}\b')
    named = [n for n in cells.notebook_names() if not re.match('exercises|panels', n) and n != own and any(pattern.search(c) for c in cells.sources(cells.read(n)))]
    chosen = [n for n in wider.get(mutant.module, []) if n != own]
    return [*tests.get(mutant.module, []), *chosen, *(n for n in named[:most] if n not in chosen)]

def read_verdicts():
    "By mutant: {test: what it said}; None where it passed"
    found = {}
    for line in verdicts.read_text(encoding='utf-8').splitlines() if verdicts.exists() else ():
        v = json.loads(line)
        found.setdefault(v['mutant'], {})[v['test']] = v['error']
    return found

def killed(said): return any(said.values())

def run_all(pairs):
    "Run (mutant, test) pairs, and write down each verdict as it comes"
    with tempfile.TemporaryDirectory() as d, open(verdicts, 'a', encoding='utf-8') as out:
        env = os.environ | dict(XDG_CACHE_HOME=str(Path(d)/'cache'))
        subprocess.run([sys.executable, '-c', 'from mnist_sgd.data import load_data; load_data()'], cwd=root, env=env, check=True)
        def jobs():
            for i, (mutant, test) in enumerate(pairs):
                yield (mutant.id, test), job(mutant, Path(d)/str(i), test)
        for i, ((mutant, test), result, folder) in enumerate(cells.forked(jobs(), seconds), 1):
            print(json.dumps(dict(mutant=mutant, test=test, error=result['error'])), file=out, flush=True)
            print(f"{i}/{len(pairs)} {result['error'] or 'SURVIVED'}: {mutant}", flush=True)
            shutil.rmtree(folder)

def run(args):
    os.environ.pop('PYTHONPATH', None)
    os.environ.setdefault('MNIST_SGD_DATA', 'offline')
    os.environ.update(cells.quiet, OMP_NUM_THREADS='1')
    mutants, said = find_mutants(), read_verdicts()
    if args.modules: mutants = [m for m in mutants if m.module in args.modules]
    if args.sample: mutants = random.Random(args.seed).sample(mutants, min(args.sample, len(mutants)))
    alive = [m for m in mutants if said.get(m.id) and not killed(said[m.id]) and not same(m)]
    if args.survivors: pairs = [(m, notebook_of(m.module)) for m in alive]
    elif args.wider:
        pairs, rounds = [], [leaning(m) for m in alive]
        for i in range(max(map(len, rounds), default=0)):        # round by round: killed in one, it is not in the next
            now = read_verdicts()
            run_all([(m, r[i]) for m, r in zip(alive, rounds)
                     if len(r) > i and not killed(now[m.id]) and r[i] not in now[m.id]])
    else: pairs = [(m, notebook_of(m.module)) for m in mutants if m.id not in said]
    random.Random(args.seed).shuffle(pairs)              # so that wherever it stops, a random part has been run
    print(f'{len(mutants)} mutants, {len(pairs)} to run')
    run_all(pairs)

def report(args):
    "Write bench/MUTANTS.md"
    mutants, said = find_mutants(), read_verdicts()
    done = [m for m in mutants if m.id in said]
    alive = [m for m in done if not killed(said[m.id])]
    equal = [m for m in alive if same(m)]
    def row(name, ms):
        a, e = (sum(m in group for m in ms) for group in (alive, equal))
        rate = f'{(len(ms) - a)/(len(ms) - e):.1%}' if len(ms) > e else '-'
        return f'| {name} | {sum(m.module == name for m in mutants) or len(mutants)} | {len(ms)} | {len(ms) - a} | {e} | {a - e} | {rate} |'
    lines = ['# Mutants', '', __doc__.split('Left out, as')[0].split('\n')[0] + '.', '',
             'Left out, as' + __doc__.split('Left out, as')[1].rstrip(), '',
             f'{len(done)} of {len(mutants)} mutants were run. The rate is the share killed of those not equivalent.', '',
             '| Module | mutants | run | killed | equivalent | alive | rate |', '| --- | --- | --- | --- | --- | --- | --- |',
             *(row(name, [m for m in done if m.module == name]) for name in modules), row('all', done), '',
             '## Alive, with a reason', '',
             *(f'- {m.id}: {reason(m.id) or "no test notices it yet"}' for m in alive if m not in equal), '',
             '## Equivalent: no input tells them apart', '', *(f'- {m.id}: {reason(m.id)}' for m in equal), '']
    Path(__file__).with_name('MUTANTS.md').write_text('\n'.join(lines), encoding='utf-8')
    print('\n'.join(lines))

patterns = (                                        # what is in a mutant's name, and why it is alive
    (r"(careless_error|nudge_slopes|rung_gaps): .*\(\((targets|y|hand.params)\) - ",
     "equivalent: the distance is the same from either side"),
    (r"squared_loss: .*\) - \(preds\)", "equivalent: a square is the same from either side"),
    (r"Digits: .*(repr=True|eq=False\)`$)",
     "equivalent: the class writes its own `__repr__`, which dataclass keeps"),
    (r"_need\(\(self.lr\) and",
     "equivalent: infinity is too large, and nan is neither above nor below 0"),
    (r"_within: .*result\[\(-1\)\]", "equivalent: the list has one place"),
    (r"decode_png: .*reshape\(-2\)",
     "equivalent: numpy takes any negative number for the open length"),
    (r"validate_epoch: .*\[2\]\*len",
     "equivalent: shares of 2 each weigh as much as shares of 1 each"),
    (r"four_rungs: .* for p in \(weight.T, bias\)\]` -> .*p.detach\(\).requires",
     "equivalent: the model is new, and nobody else holds it"),
    (r"four_rungs: .*opt_func\(\(model", "equivalent: both optimizers make a list of it"),
    (r"live_callback: .*`lr = \(self",
     "equivalent: fastai takes numbers only, and `Recipe` makes floats of them"),
    (r"live_callback: .*yb\[\(-1\)\]", "equivalent: a batch has one tensor of labels"),
    (r"closed_epochs: .*-> .*dl.y\[:,(0\]`$|\(-1\))",
     "equivalent: labels have one column, in order as it is"),
    (r"_batches: .*= pixels.to\(dtype", "equivalent: of a larger place the same part is used"),
    (r"index_select\(labels, \(-1\)|dz.sum\(\(-1\), keepdim", "equivalent: there is one dimension"),
    (r"_closed_epochs: .*(weight\[0\]|model.bias, )",
     "equivalent: `closed_epochs` works without gradients itself"),
    (r"_closed_epochs: .*detach\(\)\[\(-1\)\]", "equivalent: the weights have one row"),
    (r"pick_device: .*empty\((0|2),",
     "equivalent: a tensor of any size tells whether the device is there"),
    (r"_pack: .*copy_\(floats\*255\)/",
     "equivalent: each of the 256 255ths times 255 is whole in float32"),
    (r"_packed: .*shape\[1\]\).cos", "a matter of another default type than float32"),
    (r"fork_rng\(\)", "a matter of a GPU: it has generators of its own"),
    (r"_captured: ", "a matter of a GPU: elsewhere nothing is recorded"),
    (r"get_dls: .*batch_size\)\)`$|` -> `(model|return) .*nn.Linear\(28\*28, 1\)`$|\(torch.stack\(accs\) \*|"
     r"for p in params\]\)\)( |`)|p.detach\(\).clone\(\) for p in self.model|flat = .*params\)\]\) {9}|"
     r"else data`$|make_model\(recipe\), losses", "a matter of a GPU: the numbers are on another device"),
    (r"_signature: .*\(\(path\)", "another name for the same rows in the cache"),
)
def reason(name): return next((why for pattern, why in patterns if re.search(pattern, name)), '')

def same(mutant): return reason(mutant.id).startswith('equivalent')

def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('what', choices=('run', 'report', 'count'))
    parser.add_argument('--sample', type=int); parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--survivors', action='store_true'); parser.add_argument('--wider', action='store_true')
    parser.add_argument('--modules', nargs='*')
    args = parser.parse_args()
    if args.what == 'count': print(Counter(m.module for m in find_mutants()), Counter(m.kind for m in find_mutants()))
    else: dict(run=run, report=report)[args.what](args)

if __name__ == '__main__': main()
