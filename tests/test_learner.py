"A Learner over the loaders of `get_dls` is a whole one: what a fastai user does next, 27 things, and lesson 06 as a learner meets it"
import os, warnings
import matplotlib, pytest, torch
matplotlib.use('agg')
import matplotlib.pyplot as plt
warnings.filterwarnings('ignore', message='.*torch.jit.script')
import fastai.callback.hook                            # brings summary
from fastai.callback.schedule import Learner           # with fit_one_cycle and lr_find
from fastai.callback.progress import CSVLogger
from fastai.callback.tracker import EarlyStoppingCallback, SaveModelCallback
from fastai.interpret import ClassificationInterpretation, Interpretation
from fastai.learner import load_learner
from fastai.optimizer import SGD
from fasttransform import Transform
from torch import nn
from mnist_sgd.data import TensorLoader, load_data
from mnist_sgd.learner import DigitLoader, DigitLoss, DigitRows, get_dls
from mnist_sgd.loss import batch_accuracy, mnist_loss

data = load_data('offline')
three, seven = data.valid_x[0], data.valid_x[-1]

def get_learner(dls=None, **more):
    torch.manual_seed(42)
    opts = dict(loss_func=DigitLoss(), opt_func=SGD, metrics=batch_accuracy) | more
    learn = Learner(dls or get_dls(data), nn.Linear(28*28, 1), **opts)
    learn.logger = lambda row: None
    return learn

@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    "Whatever a Learner writes goes there; no bar, no window"
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    plt.close('all')

@pytest.fixture
def learn():
    learn = get_learner()
    with learn.no_bar(): learn.fit(3, 1.)
    with learn.no_bar(): yield learn

def titles(): return [ax.get_title() for ax in plt.gcf().axes if ax.has_data()]

def right(p, targets): return ((p > .5) == (targets == 1)).float().mean().item()


things = {}
def thing(f):
    things[f.__name__] = f
    return f

@thing
def fit(learn): learn.fit(1, 1.); assert learn.recorder.values[-1][-1] > .8

@thing
def fit_one_cycle(learn): learn.fit_one_cycle(2, 1.); assert learn.recorder.values[-1][-1] > .4

@thing
def fit_flat_cos(learn): learn.fit_flat_cos(1, 1.); assert learn.recorder.values[-1][-1] > .8

@thing
def fine_tune(learn): learn.fine_tune(1, 1.); assert learn.recorder.values[-1][-1] > .4

@thing
def lr_find(learn): assert 0 < learn.lr_find(show_plot=False).valley < 10

@thing
def validate(learn): assert learn.validate()[1] > .8

@thing
def validate_train(learn): assert learn.validate(0)[1] > .8

@thing
def summary(learn): assert '785' in str(learn.summary())

@thing
def save_and_load(learn):
    weight = learn.model.weight.detach().clone()
    learn.save('kept'); learn.fit(1, 1.); learn.load('kept')
    assert torch.equal(learn.model.weight, weight)

@thing
def plot_loss(learn): learn.recorder.plot_loss(); assert len(plt.gca().lines[0].get_xdata()) > 100

@thing
def keep_the_best(learn):
    learn.fit(2, 1., cbs=[SaveModelCallback(), EarlyStoppingCallback(), CSVLogger()])
    assert os.path.exists('models/model.pth') and len(open('history.csv').readlines()) == 3

@thing
def preds_valid(learn):
    p, targets = learn.get_preds()
    assert torch.equal(targets, data.valid_y) and right(p, targets) == pytest.approx(learn.validate()[1], abs=1e-6)

@thing
def preds_train(learn):
    p, targets = learn.get_preds(0)
    assert torch.equal(targets, data.train_y) and len(p) == len(data.train_x)

@thing
def preds_with_loss(learn):
    *_, losses = learn.get_preds(with_loss=True)
    assert len(losses) == len(data.valid_y) and losses.mean().item() == pytest.approx(learn.validate()[0], abs=1e-6)

@thing
def preds_with_everything(learn):
    x, p, targets, decoded, losses = learn.get_preds(with_input=True, with_decoded=True, with_loss=True)
    assert torch.equal(x, data.valid_x) and torch.equal(decoded, (p > .5).long()) and len(losses) == len(targets)

@thing
def predict(learn):
    assert [learn.predict(x)[0] for x in (three, three.reshape(28, 28), seven)] == ['3', '3', '7']

@thing
def predict_with_input(learn): assert torch.equal(learn.predict(three, with_input=True)[0].flatten(), three)

@thing
def show_results(learn):
    learn.show_results()
    assert len(titles()) == 9 and all(set(t.split()) <= {'3', '7'} for t in titles())

@thing
def show_batch(learn): learn.dls.show_batch(max_n=4); assert titles() == ['3']*4

@thing
def show_one(learn):
    learn.dls.show_batch(unique=True, max_n=4)
    first, *others = [ax.images[0].get_array() for ax in plt.gcf().axes if ax.images]
    assert others and all((first == o).all() for o in others) and torch.equal(learn.dls.one_batch()[0], data.train_x[:256])

@thing
def export_and_load(learn):
    learn.export()
    again = load_learner('export.pkl')
    assert os.path.getsize('export.pkl') < 100_000     # no images in it
    assert torch.equal(again.predict(three)[2], learn.predict(three)[2]) and again.predict(seven)[0] == '7'
    assert len(learn.dls.train_ds) == len(data.train_x)

@thing
def interpretation(learn):
    found = Interpretation.from_learner(learn)
    losses, rows = found.top_losses(3)
    *_, each = learn.get_preds(with_loss=True)
    assert losses[0] == each.max() and rows[0] == each.flatten().argmax()
    found.plot_top_losses(4)
    assert len(titles()) >= 4
    found.show_results([0, len(data.valid_x) - 1])

@thing
def confusion(learn):
    found = ClassificationInterpretation.from_learner(learn)
    table = found.confusion_matrix()
    assert table.sum(1).tolist() == [1028, 1010]        # sevens, threes
    assert table.trace()/2038 == pytest.approx(learn.validate()[1], abs=1e-6)
    found.plot_confusion_matrix(); found.print_classification_report()
    assert [t.get_text() for t in plt.gca().get_xticklabels()] == ['7', '3']

@thing
def device(learn): assert learn.dls.device == torch.device('cpu')

@thing
def to(learn):
    dls = get_dls(data).to('meta')                     # a device that every machine has
    assert {t.device.type for dl in dls for t in dl.one_batch()} == {'meta'} and dls.device == 'meta'

@thing
def test_dl(learn):
    unlabelled = learn.dls.test_dl(list(data.valid_x[:3]))
    assert [len(b) for b in unlabelled] == [1] and len(learn.get_preds(dl=unlabelled)[0]) == 3
    labelled = learn.dls.test_dl(list(zip(data.valid_x, data.valid_y)), with_labels=True)
    assert right(*learn.get_preds(dl=labelled)) == right(*learn.get_preds())

@thing
def transforms(learn):
    class Half(Transform):
        def encodes(self, x:torch.Tensor): return x/2
    for event in ('after_batch', 'after_item'):        # of a batch; of a row, on fastai's own, slower road
        dls = get_dls(data)
        dls.add_tfms([Half()], event)
        assert torch.equal(dls.one_batch()[0]*2, data.train_x[:256])

@pytest.mark.parametrize('name', things)
def test_thing(name, learn): things[name](learn)

def test_27_of_27(): assert len(things) == 27


@pytest.mark.parametrize('shuffle', [False, True])
def test_batches_are_those_of_a_tensor_loader(shuffle):
    "Bit for bit, over two epochs, last batch included"
    dl, plain = get_dls(data, 100, shuffle, seed=3).train, TensorLoader(data.train_x, data.train_y, 100, shuffle, 3)
    for _ in range(2):
        for ours, theirs in zip(dl, plain, strict=True):
            assert type(ours) is tuple and all(torch.equal(a, b) for a, b in zip(ours, theirs))

def test_shuffled_loader_answers_in_file_order():
    learn = get_learner(get_dls(data, shuffle=True, seed=1))
    with learn.no_bar():
        for dl in (None, learn.dls.train):
            p, targets = learn.get_preds(0, dl=dl)
            assert torch.equal(targets, data.train_y)
            assert (p - learn.model(data.train_x).sigmoid()).abs().max() < 1e-6
        learn.export()
        assert load_learner('export.pkl').predict(three)[0] in '37'

def test_what_is_wrong_is_named(learn):
    for bad, words in ((three[:100], '100 values'), ((three*255).byte(), r'torch.uint8.*x.float\(\)/255')):
        with pytest.raises(ValueError, match=words): learn.predict(bad)
    with pytest.raises(ValueError, match='no images'): learn.dls.test_dl([])
    with pytest.raises(ValueError, match="choose 'mean' or 'none'"): DigitLoss('sum')(torch.zeros(2, 1), torch.zeros(2, 1))
    with pytest.raises(ValueError, match='preds have shape'): learn.loss_func(torch.zeros(2, 1), torch.zeros(2))
    plain = get_learner(loss_func=mnist_loss)
    with plain.no_bar(), pytest.raises(ValueError, match=r'loss_func=DigitLoss\(\)'): plain.predict(three)

def test_loss():
    preds, targets = torch.randn(5, 1), torch.tensor([[1.], [0.], [1.], [0.], [0.]])
    assert torch.equal(DigitLoss()(preds, targets), mnist_loss(preds, targets))
    each = torch.stack([mnist_loss(p, t) for p, t in zip(preds, targets)])
    assert torch.equal(DigitLoss('none')(preds, targets), each)

def test_the_last_short_batch_may_be_dropped():
    dl = DigitLoader(DigitRows(data.train_x, data.train_y), drop_last=True)
    assert len(dl) == len(list(dl)) == 48
