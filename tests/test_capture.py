"""An epoch may be recorded as a CUDA graph: played here with a tape, which needs no GPU

A graph repeats the operations of an epoch on the memory that they had when they were recorded, and no Python in between.
So does the tape. What a plain epoch would look up anew, an order or a number of Python's, would show as a difference.
(That plain epochs are right is for runs/closed to show.)
"""
from itertools import islice
import pytest, torch
from torch.utils._python_dispatch import TorchDispatchMode
from mnist_sgd.runs import closed
from mnist_sgd.data import TensorLoader, load_data
from mnist_sgd.runs.recipe import Recipe


class Tape(TorchDispatchMode):
    "The operations of a block, to be repeated on the same memory"
    def __init__(self): super().__init__(); self.ops = []

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        result = op(*args, **(kwargs or {}))
        self.ops.append((op, args, kwargs or {}, result))
        return result

    def replay(self):
        for op, args, kwargs, place in self.ops:
            again = op(*args, **kwargs)
            if isinstance(again, torch.Tensor):
                if again.data_ptr() != place.data_ptr(): place.copy_(again)
            else: assert all(a.data_ptr() == p.data_ptr() for a, p in zip(again, place))   # views

def taped(epoch, device):
    "In place of `closed._captured`; recording an epoch also trains it, which a CUDA graph's recording does not"
    tape = Tape()
    with tape: loss = epoch()
    replays = [lambda: None]                               # for the epoch that recording has trained
    def replay():
        (replays.pop() if replays else tape.replay)()
        return loss.clone()
    taped.times += 1
    return replay


@pytest.fixture(scope='module')
def digits(): return load_data('offline')

@pytest.mark.parametrize('shape', [(), (3,)], ids=['one model', 'three'])
@pytest.mark.parametrize('share', [1., .9], ids=['bytes', 'floats'])
@pytest.mark.parametrize('shuffle', [False, True], ids=['in order', 'shuffled'])
def test_recorded_epochs_are_epochs(digits, shuffle, share, shape, monkeypatch):
    "Six epochs, five of them from one recording: the same losses and parameters to the last bit"
    x, y = share*digits.train_x[::16], digits.train_y[::16]
    assert (closed._packed(x)[1].dtype == torch.uint8) == (share == 1.)
    monkeypatch.setattr(closed, '_captured', taped)
    monkeypatch.setattr(taped, 'times', 0, raising=False)
    recipes = [Recipe(loss=loss, zero_grad=zero, momentum=m) for loss in closed.losses for zero in (True, False) for m in (0, .9)]
    for recipe in recipes:
        def train(capture):
            w, b, lr = torch.zeros(784, *shape), torch.zeros(shape or 1), torch.linspace(.01, .03, 3) if shape else .01
            dl = TensorLoader(x, y, 64, shuffle, 0)
            losses = list(islice(closed.closed_epochs(recipe.loss, w, b, lr, dl, recipe.zero_grad, recipe.momentum, capture), 6))
            return torch.stack(losses), w, b
        for recorded, plain in zip(train(True), train(False)): assert torch.equal(recorded, plain), recipe
    assert taped.times == len(recipes)
