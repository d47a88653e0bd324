"Whatever trains here works on one thread, and leaves the session's setting as it was"
import pytest, torch
from torch.utils._python_dispatch import TorchDispatchMode
from mnist_sgd.beyond import digit_epochs
from mnist_sgd.data import TensorLoader, load_data
from mnist_sgd.init import init_params, linear1
from mnist_sgd.lab.lab import Lab
from mnist_sgd.loop import train_epoch, validate_epoch
from mnist_sgd.optimizer import BasicOptim, train_epoch as optimizer_epoch, train_model
from mnist_sgd.runs.engine import run
from mnist_sgd.runs.many import run_many
from mnist_sgd.runs.recipe import Recipe
from mnist_sgd.runs.steps import diagnose, each_step, first_epoch

class Threads(TorchDispatchMode):
    "Notes how many threads PyTorch has at each product of tensors"
    def __init__(self):
        super().__init__()
        self.seen = []
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket.__name__ in ('mm', 'mv', 'addmm', 'addmm_', 'addmv', 'addmv_'): self.seen.append(torch.get_num_threads())
        return func(*args, **(kwargs or {}))

@pytest.fixture(scope='module')
def data(): return load_data()

@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)

def by_hand(data):
    dl, params = TensorLoader(data.train_x, data.train_y, 256), (init_params((784,1)), init_params(1))
    def model(xb): return linear1(xb, *params)
    return model, dl, params

def loop(data):
    model, dl, params = by_hand(data)
    train_epoch(model, dl, 1., params)
def validation(data):
    model, dl, params = by_hand(data)
    validate_epoch(model, dl)
def optimizer(data):
    model, dl, params = by_hand(data)
    optimizer_epoch(model, dl, BasicOptim(params, 1.))
def whole_training(data):
    model, dl, params = by_hand(data)
    train_model(model, dl, dl, BasicOptim(params, 1.), 1)
def closed(data): list(run(Recipe(epochs=1), data))
def autograd(data): list(run(Recipe(epochs=1, model='net'), data))
def sweep(data): run_many([Recipe(epochs=1, lr=lr) for lr in (.1, 1.)], data)
def look(data): diagnose('mnist_loss', (torch.randn(1, 784), torch.zeros(1)), data.valid_x, data.valid_y)
def batches(data): first_epoch(Recipe(epochs=1), data)
def steps(data): next(each_step(Recipe(epochs=1), data))
def net(data): list(digit_epochs(epochs=1))
def lab(data): Lab('lr=1, epochs=1', data=data).run()

@pytest.mark.parametrize('work', [loop, validation, optimizer, whole_training, closed, autograd, sweep, batches, steps, net, lab],
                         ids=lambda f: f.__name__)
def test_one_thread(work, data, two_threads):
    with Threads() as threads: work(data)
    assert threads.seen and set(threads.seen) == {1}
    assert torch.get_num_threads() == 2
