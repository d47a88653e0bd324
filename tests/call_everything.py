"Import every public name of the installed package and call it; a name that this script forgets is an error"
import importlib, io, pkgutil, tempfile
from pathlib import Path
import numpy as np, torch
import mnist_sgd

names = {f'{m.name}.{n}': getattr(mod, n) for m in pkgutil.iter_modules(mnist_sgd.__path__) if m.name != '_modidx'
         for mod in [importlib.import_module(f'mnist_sgd.{m.name}')] for n in mod.__all__}
called = set()
def call(name, *args, **kw):
    called.add(name)
    return names[name](*args, **kw)

rng = np.random.RandomState(0)
png = io.BytesIO()
from PIL import Image
Image.fromarray(np.zeros((28, 28), np.uint8)).save(png, 'png')

# sources and offline
rows = call('sources.offline_rows')
assert rows.shape == (sum(names['sources.sizes'].values()), 784); called.add('sources.sizes')
assert call('sources.decode_png', png.getvalue(), 'x').shape == (784,)
assert str(call('sources.cache_dir')); assert call('sources.cached_rows', 'offline-1', None).shape == rows.shape
called.add('sources.mnist_url'); assert not call('sources.can_download', 'http://127.0.0.1:9/', 1)
with tempfile.TemporaryDirectory() as d:
    (Path(d)/'x.png').write_bytes(png.getvalue())
    assert len(call('sources.png_files', d)) == 1
    for name in ('sources.read_mnist', 'sources.mnist_rows'):
        try: call(name, d)
        except names['sources.DataError']: called.add('sources.DataError')
try: call('sources.download_mnist')
except names['sources.DataError']: pass
imgs, _ = call('offline.source_digits', 3)
maps = call('offline.stroke_maps', imgs[:2]); call('offline.box_blur', maps, 3); call('offline.center_of_mass', maps)
call('offline.elastic_field', 2, .1, rng); call('offline.random_warp', 2, rng)
call('offline.soft_threshold', rng.rand(2, 28, 28), np.array([90, 100])); call('offline.augment', imgs, 3, rng)
assert (call('offline.offline_digits') == rows).all()

# the ladder
data = names['data.Digits'].from_rows(rows, 'offline')
called.add('data.Digits'); assert call('data.load_data', 'offline').source == 'offline'
dl = call('data.TensorLoader', data.train_x, data.train_y); valid_dl = names['data.TensorLoader'](data.valid_x, data.valid_y)
import matplotlib; matplotlib.use('agg')
call('data.show_digits', data.train_x[:2])
xb, yb = dl.one_batch()
weights, bias = params = call('init.init_params', (784, 1)), names['init.init_params'](1)
def model(xb): return call('init.linear1', xb, weights, bias)
assert call('loss.mnist_loss', model(xb), yb) < 1 and call('loss.batch_accuracy', model(xb), yb) <= 1
call('grad.calc_grad', xb, yb, model)
with torch.no_grad(): dw, db = call('grad.linear_grad', xb, yb, weights, bias)
assert torch.allclose(dw, weights.grad, atol=1e-6)
for p in params: p.grad.zero_()
call('loop.train_epoch', model, dl, 1., params); assert call('loop.validate_epoch', model, valid_dl) > .4
line = torch.nn.Linear(784, 1)
opt = call('optimizer.BasicOptim', line.parameters(), 1.)
call('optimizer.train_epoch', line, dl, opt); call('optimizer.train_model', line, dl, valid_dl, opt, 1)
assert len(call('learner.get_dls', data).train) == 49

# the lessons' controls
assert len(call('data.share_of_threes', dl)) == 49 and call('data.mosaic', xb).shape == (224, 896)
assert call('data.careless_error', yb, yb) == 0
call('data.BatchStrip', data).run(); call('data.ShapeLens').run()
assert 0 <= call('init.saturated_share', model(xb).sigmoid()) <= 1
assert call('init.nudge_slopes', xb, yb, params).shape == (784,)
assert call('init.saturation', 1., xb, yb).norm > 0; call('init.SaturationDial', data).run()
f = call('loss.bias_curve', names['loss.mnist_loss'], model(xb).detach(), yb); call('loss.slope', f, 0.)
call('loss.BiasDial', model(xb).detach(), yb).run()

assert len(list(call('grad.odometer', ['backward()']*2, xb, yb, params))) == 3
assert call('grad.Odometer', xb, yb, params).run(presses=('backward()',))[-1].stored is not None
assert call('loop.step_through', ['batch', 'predict'], dl, params)[-1].after['preds'].shape == (256, 1); called |= {'loop.Frame', 'loop.loop_lines'}
assert not call('loop.StepDebugger', dl, params).run(presses=('batch',))[-1].failed
assert len(call('optimizer.valley_path', .9)) > 2; assert len(call('optimizer.momentum_accs', data, .9, epochs=1)) == 2
assert 'momentum=0.5' in (p := call('optimizer.MomentumPanel', data)).summary(p.run())
rungs = call('learner.four_rungs', data); assert max(call('learner.rung_gaps', rungs)) < 1e-6
called |= {'learner.watch_steps', 'learner.watch_learner'}  # four_rungs calls them
assert len(call('learner.RungPanel', data).run(step=2)['gaps']) == 49
from fastai.learner import Learner
from fastai.optimizer import SGD
learn = Learner(names['learner.get_dls'](data), torch.nn.Linear(784, 1), loss_func=names['loss.mnist_loss'], opt_func=SGD, cbs=call('learner.live_callback'))
with learn.no_logging(): learn.fit(1, lr=1.)
assert 'epochs=1' in call('learner.FitPicture').summary(learn.live.panel.state)
net = call('beyond.small_net', 64, 5, 10); assert len(call('beyond.ten_digits', 300)) == 4
assert call('beyond.confusion', net(torch.zeros(2, 64)), torch.tensor([0, 1])).sum() == 2
assert len(list(call('beyond.digit_epochs', 3, .3, 1))) == 2; call('beyond.DigitsPanel').run(hidden=2)
small = names['beyond.small_net'](784, 3, 1)
names['optimizer.train_epoch'](small, names['data.TensorLoader'](data.train_x[:64], data.train_y[:64], 16), call('beyond.Accumulate', names['optimizer.BasicOptim'](small.parameters(), 1.), 4))
copies = [names['beyond.small_net'](784, 3, 1) for _ in range(2)]
for m in copies: names['grad.calc_grad'](data.train_x[:4], data.train_y[:4], m)
call('beyond.average_grads', copies)

assert len(call('beyond.two_computers', 1., 0)) == 2 and call('beyond.ComputersPanel').run(lr=1.)['order'] == 0
with call('rounding.OtherOrder', 0): assert torch.allclose(xb @ weights, names['init.linear1'](xb, weights, 0), atol=1e-4)

# recipe, engine, picture, panels, command line
recipe = call('recipe.parse_recipe', 'lr=1, epochs=2'); assert recipe == call('recipe.Recipe', lr=1., epochs=2)
assert call('recipe.recipe_text', recipe) == 'lr=1, epochs=2'
assert call('engine.pick_device', 'cpu').type == 'cpu'; call('engine.make_model', recipe)
history = tuple(call('engine.run', recipe, data)); assert isinstance(history[0], names['engine.Record'])
called |= {'engine.Record', 'engine.losses', 'picture.colors', 'panel.grey', 'panel.orange', 'panel.purple'}
next(call('engine.closed_epochs', recipe, torch.zeros(784, 2), torch.zeros(2), torch.ones(2), dl)); call('engine.squared_loss', yb, yb)
call('engine.closed_grad', 'mnist_loss', xb, yb[:,0], torch.zeros(784), torch.zeros(1))
call('engine.mean_losses', 'mnist_loss', torch.zeros(len(yb)), yb[:,0])
run = call('picture.Run', recipe, history, 'cpu')
call('picture.colour_png', [[0, 1]], 0, 1); call('picture.framed', 'a', ''); call('picture.run_svg', run); call('picture.run_figure', run); call('picture.weights_png', history[0].params)
call('picture.side_by_side', [call('picture.weights_svg', history[0].params)])
call('picture.chart', 'a chart', [call('picture.Curve', [0, 1])], 1, 'epoch')
step = next(call('steps.each_step', recipe, data)); assert isinstance(step, names['steps.Step']); called.add('steps.Step')
assert isinstance(call('steps.first_epoch', recipe, data), names['steps.FirstEpoch']); called.add('steps.FirstEpoch')
assert isinstance(call('steps.diagnose', recipe, history[0].params, *call('steps.sample', data)), names['steps.Diagnostics']); called.add('steps.Diagnostics')
assert call('steps.broken_at', recipe, data) is None and call('steps.squared_lr_limit', recipe, data) > 0
call('lab_parts.devices'); call('lab_parts.recipe_controls', recipe); call('lab_parts.runs_table', {1: run})
assert 'batch 2' in call('lab_parts.broken_text', recipe, data, 1, (1, 2, float('nan')))
assert call('lab_parts.Challenge', 'a task', len).solved([]) == 0; assert not names['lab_parts.challenges'][2].solved([run]); called.add('lab_parts.challenges')
for lab in ('live.Training', 'live.Lab'): assert len(call(lab, 'epochs=2', data).run().history) == 3
call('live.Mystery', data).run(batch=1)
call('controls.slider', 1., 0, 2); call('controls.presses', ['a'])
runs = call('sweep.run_many', [recipe, names['recipe.parse_recipe']('lr=2, epochs=2')], data)
plane = call('sweep.path_plane', runs[0]); assert isinstance(plane, names['sweep.Plane']); called.add('sweep.Plane')
grid = call('sweep.plane_grid', plane, 5); assert call('sweep.plane_loss', plane, *grid, call('sweep.thinned', data, 9)).shape == (5, 5)
assert call('sweep.spread', call('sweep.compass', plane, plane.path[0], 8, data)) > 0
call('sweep.SweepPanel', runs).run(); call('sweep.CompassPanel', runs[0], data).run()
call('panel.Worker').wait(); call('panel.Panel', {}); call('panel.on_click', n='x'); assert not call('panel.live_frontend')
call('cli.make_parser'); assert call('cli.main', ['--epochs', '1', '--source', 'offline']) == 0

# practice
assert call('limit.within', 5, lambda: 1) == 1; called |= {'limit.TooLong', 'limit.patience', 'limit.tick'}
assert call('check.same', 1., 1) and call('check.untouched', ...) and call('check.shown', torch.zeros(2))
assert call('check.Verdict', 'x', 'right').passed and repr(call('check.Note', 'x', ('y',))); called |= {'check.Failure', 'check.Mistake', 'check.Try'}
one = call('check.exercise', '99', 'one', made=True, hints='abc')(lambda: 1)
assert isinstance(one, names['check.Exercise']) and one.check(1); called.add('check.Exercise')
for name, e in names.items():
    if isinstance(e, names['check.Exercise']): assert not e.check(None) and e.hint() and e.solution() and e.check(e.right), name; called.add(name)
call('check.prove', names['exercises_runs.weighted_mean'], *[lambda v, n: sum(a*b for a, b in zip(v, n))/sum(n)]*2)
for f in ('square', 'line', 'cube', 'kink'): call(f'exercises_steps.{f}', 2.)
assert call('exercises_steps.first_pixel', torch.zeros(2, 3)).shape == (2, 1) and call('exercises_pictures.digits').source
assert len(call('exercises_steps.accuracies', call('exercises_steps.read_recipe', 'epochs=1'))) == 1
assert call('predict.trend', [0, 1]) == 'up' and call('predict.predict', 'up').reveal([0, 1]).right; called |= {'predict.Guess', 'predict.Outcome'}
call('progress.note_exercise', '99', 'x'); call('progress.note_solved', '99', 'x'); call('progress.note_guess', '99', 'x', True); call('progress.keep_progress', None)
assert '99: ' in str(call('progress.progress', '99')); called |= {'progress.session', 'progress.Progress', 'progress.ProgressLine'}

# the Bug Lab
called |= {'bugs.loop_source', 'bugs.Bug', 'bugs.bugs', 'bugs.Evidence', 'bugs.Clue', 'bugs.probes'}; assert call('bugs.compile_loop') and call('bugs.bug_diff', 'rebinding')
seen = call('bugs.run_loop', call('bugs.buggy_source', 'rebinding'), data); assert 'by 0, 0, 0' in call('bugs.probe', seen, 'step').text
code = call('bugs.new_code', 'rebinding'); assert call('bugs.hidden_bug', code).name == 'rebinding'
case = call('bugs.Case', code, seen, seen, (('name', 'rebinding'),)); assert call('bugs.case_words', case) in call('bugs.solution_words', case); call('bugs.case_figure', case)
assert call('bugs.desk').value == (); assert call('bugs.BugLab', code, data).name('rebinding') == call('bugs.Words', 'Solved: it is rebinding. 10 of 10 points, no probes and no wrong names.')

forgotten = sorted(set(names) - called)
assert not forgotten, forgotten
print(len(called), 'public names called')
