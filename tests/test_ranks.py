"A run shared out by torchrun is the run of one process: real processes, their faults included"
import os, shutil, signal, subprocess, sys, time
from dataclasses import replace
import pytest, torch
from mnist_sgd.data import load_data
from mnist_sgd.runs.engine import run
from mnist_sgd.runs.processes import forked
from mnist_sgd.runs.recipe import parse_recipe

pytestmark = pytest.mark.ci
recipes = ['lr=1', 'lr=.5, shuffle=on, batch_size=100, momentum=.5', 'lr=.1, zero_grad=off', 'lr=.3, model=net, shuffle=on',
           'lr=.3, loss=cross_entropy, batch_size=5']

program = '''
import os, sys, torch
from dataclasses import replace
from mnist_sgd.data import load_data
from mnist_sgd.runs import ranks
from mnist_sgd.runs.engine import run
from mnist_sgd.runs.recipe import parse_recipe
ranks.join()
data = load_data('offline')
data = replace(data, train_x=data.train_x[::16].contiguous(), train_y=data.train_y[::16].contiguous())
'''

def launch(*args, before=(), **env):
    "Start `torchrun` with `args`, by way of the command `before`"
    env = os.environ | {'OMP_NUM_THREADS': '1', 'MNIST_SGD_DATA': 'offline', 'CUDA_VISIBLE_DEVICES': ''} | env
    command = [*before, sys.executable, '-m', 'torch.distributed.run', *map(str, args)]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

def torchrun(folder, size, code, *args, wait=True):
    "`size` processes that run `program`, then `code`; unless one is to be killed, they are forked, which saves the imports"
    file = folder/'program.py'
    file.write_text(program + code, encoding='utf-8')
    p = launch('--standalone', f'--nproc-per-node={size}', *(forked if wait else []), file, *args)
    if not wait: return p
    return p, p.communicate(timeout=300)[0]

@pytest.fixture(scope='module')
def alone():
    "Records of each recipe in one process, by autograd"
    data = load_data('offline')
    data = replace(data, train_x=data.train_x[::16].contiguous(), train_y=data.train_y[::16].contiguous())
    return [list(run(parse_recipe(f'{text}, epochs=2, device=cpu'), data, closed=False)) for text in recipes]

@pytest.mark.parametrize('size, by', [(1, 'mesh'), (2, 'mesh'), (3, 'mesh'), (3, 'gloo'), (4, 'mesh'), (7, 'mesh')])
def test_equal(tmp_path, alone, size, by):
    "The same weights to 1e-6 after each epoch, in every process, whatever carries short sums"
    p, said = torchrun(tmp_path, size, '''
folder, by, *texts = sys.argv[1:]
if by == 'gloo': os.environ['LOCAL_WORLD_SIZE'] = '1'    # as on several machines
records = [list(run(parse_recipe(f'{text}, epochs=2'), data)) for text in texts]
torch.save([[(r.train_loss, r.valid_loss, r.accuracy, r.params) for r in rs] for rs in records], f"{folder}/{os.environ['RANK']}.pt")
assert torch.distributed.get_backend(ranks._training_group(torch.zeros(785))) == by
ranks.leave()
''', tmp_path, by, *recipes)
    assert p.returncode == 0, said
    for rank in range(size):
        for text, ours, theirs in zip(recipes, torch.load(tmp_path/f'{rank}.pt', weights_only=True), alone, strict=True):
            for (train_loss, valid_loss, accuracy, params), want in zip(ours, theirs, strict=True):
                assert abs(train_loss - want.train_loss) < 1e-5 and abs(valid_loss - want.valid_loss) < 1e-5, text
                assert abs(accuracy - want.accuracy) < .002
                for p, q in zip(params, want.params): assert torch.allclose(p, q, rtol=0, atol=1e-6), text

def test_refusals(tmp_path):
    "Ranks with different recipes are refused by name, in all of them, before the first step"
    p, said = torchrun(tmp_path, 2, '''
try: next(run(parse_recipe(f"lr={1 + int(os.environ['RANK'])}"), data))
except ValueError as e: os.write(1, f'refused: {e}\\n'.encode())  # at once: two write to one pipe
ranks.leave()
''')
    assert p.returncode == 0, said
    assert said.count('refused: recipe: rank 0 has lr=1, epochs=20, but rank 1 has lr=2') == 2, said

def test_killed(tmp_path):
    "Where a process is killed, the others say so within 30 seconds"
    p = torchrun(tmp_path, 3, '''
try:
    for r in run(parse_recipe('lr=1, epochs=1000000'), data):
        if os.environ['RANK'] == '1' and r.epoch == 1: print('pid', os.getpid(), flush=True)
except ConnectionError as e:
    print(f"rank {os.environ['RANK']}: {e}", flush=True)
    sys.exit(1)
''', wait=False)
    for line in p.stdout:
        if line.startswith('pid'): break
    start = time.monotonic()
    os.kill(int(line.split()[1]), signal.SIGKILL)
    said = p.communicate(timeout=60)[0]
    assert time.monotonic() - start < 30
    assert p.returncode != 0
    assert said.count('Another process of this run has ended') >= 1, said

def test_resume(tmp_path):
    "A shared run taken up from its checkpoint has the history of one that was never cut off, to the last bit"
    code = '''
folder, epochs = sys.argv[1], int(sys.argv[2])
files = {k: v for k, v in zip(('checkpoint', 'resume'), sys.argv[3:]) if v != '-'}
text = f'lr=.5, shuffle=on, momentum=.5, epochs={epochs}'
records = list(run(parse_recipe(text), data, **files))
if ranks.leads(): torch.save([(r.train_loss, r.valid_loss, r.accuracy, r.params) for r in records], f'{folder}/out.pt')
ranks.leave()
'''
    def train(*args):
        p, said = torchrun(tmp_path, 3, code, tmp_path, *args)
        assert p.returncode == 0, said
        return torch.load(tmp_path/'out.pt', weights_only=True)
    whole = train(4, '-', '-')
    train(2, tmp_path/'run.pt', '-')
    resumed = train(4, '-', tmp_path/'run.pt')
    for (*numbers, params), (*want, want_params) in zip(resumed, whole, strict=True):
        assert numbers == want and all(torch.equal(p, q) for p, q in zip(params, want_params))

def test_command(tmp_path):
    "The command prints one table, goes on with a checkpoint, and names the rank that has a complaint"
    start = '--standalone', '--nproc-per-node=2', '-m', 'mnist_sgd', '--seed', 1
    def said(*args):
        p = launch(*start, *args)
        return p.communicate(timeout=300)[0], p.returncode
    file = tmp_path/'run.pt'
    table, status = said('--epochs', 1, '--checkpoint', file)
    assert status == 0 and table.count('train loss') == 1 and 'shared out over 2 processes' in table
    longer, status = said('--epochs', 2, '--resume', file)
    rows = [line for line in table.splitlines() if line.strip()[:1] in ('0', '1')]
    assert status == 0 and len(rows) == 2 and all(row in longer for row in rows) and '\n    2  ' in longer
    complaint, status = said('--epochs', 2, '--resume', tmp_path/'none.pt')
    assert status and 'mnist_sgd, rank 0: ' in complaint and 'none.pt is not there' in complaint

@pytest.fixture
def two_hosts():
    "Two network namespaces with a cable between them: what to put before a command, and the address of each"
    if not shutil.which('ip') or os.geteuid(): pytest.skip('no right to make network namespaces here')
    names = [f'sgd{os.getpid()}{side}' for side in 'ab']
    def ip(*args): subprocess.run(['ip', *args], check=True, capture_output=True)
    try:
        try:
            for name in names: ip('netns', 'add', name)
            ip('link', 'add', 'cable', 'netns', names[0], 'type', 'veth', 'peer', 'name', 'cable', 'netns', names[1])
        except subprocess.CalledProcessError: pytest.skip('no right to make network namespaces here')
        for i, name in enumerate(names, 1):
            ip('-n', name, 'addr', 'add', f'10.77.0.{i}/24', 'dev', 'cable')
            for device in ('lo', 'cable'): ip('-n', name, 'link', 'set', device, 'up')
        yield [(['ip', 'netns', 'exec', name], f'10.77.0.{i}') for i, name in enumerate(names, 1)]
    finally:
        for name in names: subprocess.run(['ip', 'netns', 'del', name], capture_output=True)

def test_two_hosts(two_hosts):
    "Two hosts with a network of their own train one run: the table of one process"
    recipe = '--epochs', 2, '--lr', 1, '--shuffle'
    processes = [launch('--nnodes=2', '--nproc-per-node=2', '--rdzv-backend=c10d', '--rdzv-id=sgd', '--rdzv-endpoint=10.77.0.1:29511',
                        f'--rdzv-conf=is_host={address == "10.77.0.1"}', f'--local-addr={address}', '-m', 'mnist_sgd', *recipe, before=before, GLOO_SOCKET_IFNAME='cable')
                 for before, address in two_hosts]
    said = [p.communicate(timeout=300)[0] for p in processes]
    assert [p.returncode for p in processes] == [0, 0], said
    tables = [s for s in said if 'train loss' in s]
    assert len(tables) == 1 and 'shared out over 4 processes' in tables[0]
    want = list(run(parse_recipe('lr=1, epochs=2, shuffle=on, device=cpu'), load_data('offline'), closed=False))
    rows = [line.split() for line in tables[0].splitlines() if line.strip()[:1] in ('0', '1', '2')]
    for row, r in zip(rows, want, strict=True):
        assert int(row[0]) == r.epoch
        for printed, number in zip(row[1:], (r.train_loss, r.valid_loss, r.accuracy)): assert abs(float(printed) - number) < .002
