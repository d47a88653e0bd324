"Data as it arrives in real life: whole, damaged, or not at all"
import bz2, gzip, importlib, io, json, os, pickle, shutil, socket, struct, subprocess, sys, tarfile, time, zipfile
from pathlib import Path
from unittest import mock
import numpy as np, pytest, torch
from PIL import Image, ImageOps
from mnist_sgd.digits import formats, sources
from mnist_sgd.data import load_data
from mnist_sgd.digits.images import DataError, sizes

can_download = sources.can_download  # the real one: the tests below have no network

@pytest.fixture(scope='session')
def rows(): return sources.offline_rows()

def png(row):
    f = io.BytesIO()
    Image.fromarray(row.reshape(28, 28)).save(f, 'png', compress_level=1)
    return f.getvalue()

@pytest.fixture(scope='session')
def files(rows):
    "A whole MNIST_SAMPLE, with the offline pictures in it: `{name: PNG bytes}`; names sort as strings, as MNIST's do"
    names = [f'{folder}/{name}.png' for folder, n in sizes.items() for name in sorted(map(str, range(n)))]
    return dict(zip(names, map(png, rows)))

@pytest.fixture(scope='session')
def folder(files, tmp_path_factory):
    d = tmp_path_factory.mktemp('whole')/'mnist_sample'
    for f in sizes: (d/f).mkdir(parents=True)
    for name, raw in files.items(): (d/name).write_bytes(raw)
    return d

@pytest.fixture(scope='session')
def archive(files, tmp_path_factory):
    path = tmp_path_factory.mktemp('packed')/'mnist_sample.tgz'
    with tarfile.open(path, 'w:gz', compresslevel=1) as tar:
        for name, raw in files.items():
            info = tarfile.TarInfo(f'mnist_sample/{name}'); info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    return path

@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    "No cache, no MNIST, no network, whatever this machine has"
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path/'cache'))
    monkeypatch.setenv('FASTAI_HOME', str(tmp_path/'fastai'))
    for name in ('MNIST_SGD_DATA', 'MNIST_SGD_CACHE'): monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sources, 'can_download', lambda: False)
    sources._download.cache_clear()

def cached(): return sorted(p.name for p in sources.cache_dir().iterdir()) if sources.cache_dir().exists() else []

def test_folder_and_archive(folder, archive, rows, monkeypatch):
    for path in (folder, folder.parent, archive):
        np.testing.assert_array_equal(sources.read_mnist(path), rows)
    assert load_data('mnist', folder).source == 'mnist'
    monkeypatch.setenv('MNIST_SGD_DATA', str(archive))
    data = load_data()
    assert data.source == 'mnist' and torch.equal((data.valid_x*255).byte(), torch.from_numpy(rows[12396:]))
    assert len(cached()) == 3                            # rows of both, and the floats that they share

def test_second_load_reads_the_cache(archive, monkeypatch):
    load_data('mnist', archive)
    monkeypatch.setattr(sources, 'read_mnist', lambda path: pytest.fail('decoded again'))
    load_data('mnist', archive)

@pytest.fixture
def copy(folder, tmp_path):
    "A copy to damage, made of hard links: replace files, do not write into them"
    return shutil.copytree(folder, tmp_path/'copy', copy_function=os.link)

def damaged(path, *words):
    with pytest.raises(DataError) as e: load_data('mnist', path)
    assert all(w in str(e.value) for w in words), str(e.value)
    assert cached() == [], 'something half-made was left behind'
    with mock.patch.object(sources, 'read_mnist', side_effect=e.value), pytest.raises(DataError):    # not read once more
        load_data('auto', path)                          # what was named is never silently replaced
    return str(e.value)

def replace(path, raw): path.unlink(); path.write_bytes(raw)

def test_no_such_path(tmp_path, monkeypatch):
    damaged(tmp_path/'nowhere', f'looked for {tmp_path}/nowhere', 'does not exist', f'{tmp_path} is the last folder')
    monkeypatch.chdir(tmp_path)
    damaged('no/where', f'looked for {tmp_path}/no/where')
def test_empty_folder(tmp_path): damaged(tmp_path, 'holds no MNIST', 'name a whole MNIST_SAMPLE')
@pytest.mark.parametrize('raw, words', [(b'<html>not found</html>', 'is a web page'), (b'', 'is empty'), (b'\x89HDF\r\n', 'HDF5'),
                                        (b'version https://git-lfs.github.com/spec/v1', 'git lfs pull'), (b'what is it?', 'not a form of MNIST')])
def test_not_an_archive(tmp_path, raw, words):
    (tmp_path/'x.tgz').write_bytes(raw)
    damaged(tmp_path/'x.tgz', 'x.tgz', words)
@pytest.mark.parametrize('share', (.1, .5, .99))
def test_half_an_archive(archive, tmp_path, share):
    raw = archive.read_bytes()
    (tmp_path/'half.tgz').write_bytes(raw[:int(share*len(raw))])
    damaged(tmp_path/'half.tgz', 'half.tgz', 'again')
def test_flipped_bytes_in_archive(archive, tmp_path):
    raw = bytearray(archive.read_bytes()); raw[len(raw)//2:len(raw)//2 + 50] = bytes(50)
    (tmp_path/'bad.tgz').write_bytes(raw)
    damaged(tmp_path/'bad.tgz', 'again')
@pytest.mark.parametrize('what', ['nowhere', 'empty', 'page.tgz', 'half.tgz', 'part'])
def test_never_silently_replaced(archive, tmp_path, what):
    "What was named and cannot be used is an error, and not a reason to take other images"
    (tmp_path/'empty').mkdir()
    (tmp_path/'page.tgz').write_bytes(b'<html>not found</html>')
    (tmp_path/'half.tgz').write_bytes(archive.read_bytes()[:1 << 20])
    write(tmp_path/'part/train/3/1.png', png(np.arange(784, dtype=np.uint8)))
    for source in ('auto', 'mnist'):
        with pytest.raises(DataError): load_data(source, tmp_path/what)
def test_no_picture(copy):
    replace(copy/'train/7/100.png', b'no picture')
    damaged(copy, 'train/7/100.png', 'not an image', 'again')
def test_half_a_picture(copy, files):
    replace(copy/'valid/3/7.png', files['valid/3/7.png'][:60])
    damaged(copy, 'valid/3/7.png', 'not an image')
def test_other_size(copy):
    f = io.BytesIO(); Image.new('L', (32, 30)).save(f, 'png')
    replace(copy/'train/3/5.png', f.getvalue())
    damaged(copy, 'train/3/5.png', '30x32 pixels, not 28x28')
def whole(message):
    "Nothing tells anyone to delete what is whole, or to download it again"
    assert 'elete' not in message and 'again' not in message, message
def test_missing_class(copy):
    shutil.rmtree(copy/'valid/7')
    whole(damaged(copy, "valid/7 holds 0 images, and MNIST_SAMPLE's holds 1,028"))
def test_missing_picture(copy):
    (copy/'train/7/9.png').unlink()
    whole(damaged(copy, "train/7 holds 6,264 images, and MNIST_SAMPLE's holds 6,265"))
def test_smaller_set(copy):
    for f in copy.glob('*/*/*.png'):
        if int(f.stem) >= 100: f.unlink()
    whole(damaged(copy, 'train/3 holds 100 images', 'needs all of them', "take source='offline'"))
def test_stray_picture(copy, files):
    (copy/'train/3/5 (1).png').write_bytes(files['train/3/5.png'])
    whole(damaged(copy, 'holds 6,132 images', '5 (1).png is not one of them'))

def test_two_copies(copy, rows):
    shutil.copytree(copy, copy.parent/'both'/'one', copy_function=os.link)
    shutil.copytree(copy, copy.parent/'both'/'two', copy_function=os.link)
    np.testing.assert_array_equal(sources.read_mnist(copy.parent/'both'), rows)   # they agree
    replace(copy.parent/'both'/'two'/'train/3/5.png', png(rows[0]))
    damaged(copy.parent/'both', 'more than one MNIST', 'differ')
@pytest.mark.skipif(sys.platform == 'win32', reason='symbolic links')
def test_unreadable_pictures(copy):
    (copy/'train/3/5.png').unlink(); (copy/'train/3/5.png').symlink_to('nowhere')
    damaged(copy, '5.png cannot be read', 'again')
    (copy/'train/3/5.png').unlink(); (copy/'train/3/5.png').mkdir()
    damaged(copy, 'train/3 holds 6,130 images')

@pytest.mark.skipif(sys.platform == 'win32', reason='symbolic links')
def test_folder_that_cannot_be_listed(copy, rows, monkeypatch):
    "It harms no MNIST beside it, and is named where it may be what is missing; neither does a link to itself"
    (copy/'lost+found').mkdir(); (copy/'round').symlink_to('round')
    def listed(folder, real=os.scandir):
        if str(folder) == str(shut): raise PermissionError(13, 'Permission denied', folder)
        return real(folder)
    monkeypatch.setattr(os, 'scandir', listed)
    monkeypatch.setattr(formats, 'open', lambda path, *args, **more: listed(path, lambda p: open(p, *args, **more)), raising=False)
    shut = copy/'lost+found'
    np.testing.assert_array_equal(sources.mnist_rows(copy), rows)
    shutil.rmtree(sources.cache_dir())
    (copy/'round').unlink()
    for shut in (copy/'valid/7', copy): whole(damaged(copy, f'{shut} cannot be read by this user', 'name a copy of your own'))

# Images that are not what they seem: put right, or refused

def change(copy, how, only=''):
    "Each image in `copy` as `how` draws it"
    for f in copy.glob(f'{only or "*/*"}/*.png'):
        made, raw = how(Image.open(io.BytesIO(f.read_bytes()))), io.BytesIO()
        made.save(raw, 'png', compress_level=1)
        replace(f, raw.getvalue())

def as_alpha(img, ink=255):
    "Ink that is as opaque as the digit is bright"
    made = Image.new('LA', img.size, (ink, 0)); made.putalpha(img)
    return made

@pytest.mark.parametrize('how', [lambda img: Image.fromarray(np.asarray(img).astype(np.uint16)*257), as_alpha, lambda img: img.convert('RGB'),
                                 lambda img: img.convert('P'), lambda img: as_alpha(img).convert('RGBA')],
                         ids=['16 bits', 'transparent', 'colours', 'palette', 'RGBA'])
def test_put_right(copy, rows, how):
    change(copy, how, only='valid/3')
    np.testing.assert_array_equal(sources.read_mnist(copy), rows)

def test_inverted(copy):
    "And other ways to spoil all images are tried in digits/images"
    change(copy, ImageOps.invert)
    whole(damaged(copy, str(copy), 'dark on a light background', 'invert them, pixel = 255 - pixel'))
def test_black_ink(copy):
    change(copy, lambda img: as_alpha(img, ink=0), only='valid/3')
    whole(damaged(copy, 'valid/3/0.png', 'same grey (0) all over', 'black on a transparent background'))

def test_constant_picture(copy):
    replace(copy/'valid/7/12.png', png(np.full(784, 9, np.uint8)))
    damaged(copy, 'valid/7/12.png', 'same grey (9) all over')
def test_classes_swapped(copy, rows):
    for digit, other in (('3', '7'), ('7', '3')): (copy/'train'/digit).rename(copy/f'new-{other}')
    for digit in '37': (copy/f'new-{digit}').rename(copy/'train'/digit)
    damaged(copy, 'train/3 holds 6,265 images')
def test_upper_case_endings(copy, rows):
    for f in list(copy.glob('*/*/*.png')): f.rename(f.with_suffix('.PNG'))
    (copy/'train').rename(copy/'Train')
    np.testing.assert_array_equal(sources.read_mnist(copy), rows)
def test_padded_names(copy, rows):
    "00010.png is image 10, and 10 comes before 2"
    for f in list(copy.glob('*/*/*.png')): f.rename(f.with_name(f'{int(f.stem):05}.png'))
    np.testing.assert_array_equal(sources.read_mnist(copy), rows)
@pytest.mark.parametrize('name', ['202401010{:05}', '{:04}9_' + '9'*200, '9'*200 + '{:05}'], ids=['time stamps', 'words', 'long'])
def test_names_that_are_no_indices(copy, rows, capsys, name):
    for f in list(copy.glob('*/*/*.png')): f.rename(f.with_name(f'{name.format(int(f.stem))}.png'))
    read = sources.read_mnist(copy)
    assert "not named as MNIST_SAMPLE's are" in capsys.readouterr().out
    assert sorted(map(bytes, read[12396:])) == sorted(map(bytes, rows[12396:]))
def test_backslashes_in_names(files, rows, tmp_path):
    "As Windows packs them, and as they come out of there on other systems"
    with zipfile.ZipFile(tmp_path/'x.zip', 'w') as z:
        z.writestr('mnist_sample\\train\\', b'')
        for name, raw in files.items(): z.writestr('mnist_sample\\' + name.replace('/', '\\'), raw)
        z.writestr('__MACOSX\\train\\3\\1.png', b'note')
    np.testing.assert_array_equal(sources.read_mnist(tmp_path/'x.zip'), rows)
    if sys.platform == 'win32': return
    for name, raw in files.items(): write(tmp_path/'un\\packed'/name.replace('/', '\\'), raw)
    np.testing.assert_array_equal(sources.read_mnist(tmp_path/'un\\packed'), rows)
def test_notes_of_a_mac(copy, rows):
    before = sources._signature(copy)
    for f in list((copy/'train/3').iterdir())[:9]: (f.parent/f'._{f.name}').write_bytes(b'note')
    shutil.copytree(copy/'train/3', copy/'__MACOSX/train/3', copy_function=os.link)
    (copy/'.DS_Store').write_bytes(b'x')
    assert sources._signature(copy) == before
    np.testing.assert_array_equal(sources.read_mnist(copy), rows)
@pytest.mark.skipif(sys.platform == 'win32', reason='symbolic links')
def test_links_to_folders(copy, rows, tmp_path):
    "They are followed, by reading and by the signature; a circle ends"
    linked = tmp_path/'linked'; linked.mkdir()
    for name in ('train', 'valid'): (linked/name).symlink_to(copy/name)
    (copy/'train'/'up').symlink_to(copy)
    np.testing.assert_array_equal(sources.read_mnist(linked), rows)
    load_data('mnist', linked)
    replace(copy/'train/3/0.png', png(rows[1]))
    assert torch.equal((load_data('mnist', linked).train_x[0]*255).byte(), torch.from_numpy(rows[1]))

# Any complete MNIST, in whatever form

@pytest.fixture(scope='session')
def mnist(rows):
    "A small MNIST: images and labels of both splits, the digits of `rows` at random places; and these places"
    rng, totals = np.random.default_rng(0), dict(train=13_000, test=2_200)
    images = {split: (rng.random((n, 784))**4*255).astype(np.uint8) for split, n in totals.items()}
    labels = {split: rng.choice([0, 1, 2, 4, 5, 6, 8, 9], n).astype(np.uint8) for split, n in totals.items()}
    free, at, places = {split: rng.permutation(n) for split, n in totals.items()}, 0, {}
    for folder, n in sizes.items():
        split = 'train' if folder[:5] == 'train' else 'test'
        places[folder], free[split] = free[split][:n], free[split][n:]
        for i in sorted(places[folder].tolist(), key=str):
            images[split][i], labels[split][i] = rows[at], int(folder[-1]); at += 1
    return images, labels, totals, {folder: formats.place_sum(p) for folder, p in places.items()}

def idx(a): return bytes([0, 0, 8, a.ndim]) + struct.pack(f'>{a.ndim}I', *a.shape) + a.tobytes()
def square(a): return a.reshape(-1, 28, 28)
def write(path, raw): path.parent.mkdir(parents=True, exist_ok=True); path.write_bytes(raw)

def idx_files(images, labels):
    for split, name in (('train', 'train'), ('test', 't10k')):
        yield f'{name}-images-idx3-ubyte', idx(square(images[split]))
        yield f'{name}-labels-idx1-ubyte', idx(labels[split])

def as_torchvision(d, x, y):
    for name, raw in idx_files(x, y):
        write(d/'MNIST/raw'/name, raw); write(d/'MNIST/raw'/f'{name}.gz', gzip.compress(raw, 1))
def as_gz(d, x, y):
    for name, raw in idx_files(x, y): write(d/f'{name}.gz', gzip.compress(raw, 1))
def as_renamed(d, x, y):
    "Without endings, in folders of their own, one packed by another program"
    for i, (name, raw) in enumerate(idx_files(x, y)): write(d/name/f'file{i}', bz2.compress(raw) if i else raw)
def as_beside_fashion(d, x, y):
    for name, raw in idx_files(x, y): write(d/'MNIST/raw'/name, raw)
    for name, raw in idx_files(x, {split: np.arange(len(v), dtype=np.uint8) % 10 for split, v in y.items()}): write(d/'FashionMNIST/raw'/name, raw)
def as_keras(d, x, y): np.savez(d/'mnist.npz', x_train=square(x['train']), y_train=y['train'], x_test=square(x['test']), y_test=y['test'])
def as_npz_by_another_name(d, x, y):
    np.savez(d/'a.npz', b=square(x['train'])[..., None], c=y['train'][:, None], d=square(x['test'])[:, None]/255, e=np.eye(10)[y['test']])
    (d/'a.npz').rename(d/'download')
def as_npy(d, x, y):
    for split in x: np.save(d/f'{split}_images.npy', x[split]); np.save(d/f'{split}_labels.npy', y[split].astype(np.int64))
def as_one(d, x, y): np.savez(d/'all.npz', X=np.vstack([x['train'], x['test']]).astype(float), y=np.concatenate([y['train'], y['test']]).astype(str))
def as_pickle(d, x, y):
    def part(split, first=0, end=None): return (x[split]/256)[first:end].astype(np.float32), y[split][first:end].astype(np.int64)
    write(d/'mnist.pkl.gz', gzip.compress(pickle.dumps((part('train', 0, 10_000), part('train', 10_000), part('test'))), 1))
def as_torch(d, x, y):
    for split, name in (('train', 'training'), ('test', 'test')): torch.save((torch.from_numpy(square(x[split])), torch.from_numpy(y[split]).long()), d/f'{name}.pt')
def table(x, y, last=False): return b'\n'.join(b','.join(b'%d' % v for v in ([*r, l] if last else [l, *r])) for r, l in zip(x.tolist(), y.tolist()))
def as_csv(d, x, y):
    head = ','.join(['label', *(f'{r}x{c}' for r in range(28) for c in range(28))]).encode()
    for split in x: write(d/f'mnist_{split}.csv', head + b'\r\n' + table(x[split], y[split]) + b'\n')
def as_arff(d, x, y):
    head = b'% Some words\n@RELATION mnist_784\n\n' + b''.join(b'@ATTRIBUTE pixel%d real\n' % i for i in range(784)) + b'@ATTRIBUTE class {0,1}\n\n@DATA\n'
    write(d/'52667.arff.gz', gzip.compress(head + table(np.vstack([x['train'], x['test']]), np.concatenate([y['train'], y['test']]), last=True), 1))
def full_files(x, y, top):
    "All images of 3s and 7s and some others, by the full set's names"
    for split, name in zip(('train', 'test'), top):
        for i, (row, label) in enumerate(zip(x[split], y[split])):
            if label in (3, 7) or i < 50: yield f'mnist_png/{name}/{label}/{i}.png', png(row)
def as_full_folders(d, x, y):
    for name, raw in full_files(x, y, ('training', 'testing')): write(d/name, raw)
def as_full_archive(d, x, y):
    with tarfile.open(d/'mnist_png.tar.gz', 'w:gz', compresslevel=1) as tar:
        for name, raw in full_files(x, y, ('training', 'testing')):
            info = tarfile.TarInfo(f'./{name}'); info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
def as_zip(d, x, y):
    with zipfile.ZipFile(d/'archive', 'w') as z:
        for name, raw in full_files(x, y, ('train', 'valid')):
            z.writestr(name, raw); z.writestr(f'__MACOSX/{os.path.dirname(name)}/._{os.path.basename(name)}', b'note')
def as_zip_of_idx(d, x, y):
    with zipfile.ZipFile(d/'MNIST.zip', 'w') as z:
        for name, raw in idx_files(x, y): z.writestr(f'MNIST/raw/{name}.gz', gzip.compress(raw, 1))

def hub_table(x, y):
    pa = pytest.importorskip('pyarrow')
    image = pa.struct([('bytes', pa.binary()), ('path', pa.string())])
    return pa.table({'image': pa.array([dict(bytes=png(r), path=None) for r in x], image), 'label': pa.array(y.astype(np.int64))})
def save_parquet(table, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    importlib.import_module('pyarrow.parquet').write_table(table, path)
def as_parquet(d, x, y):
    for split in x: save_parquet(hub_table(x[split], y[split]), d/f'mnist/{split}-00000-of-00001.parquet')
def as_parquet_in_folders(d, x, y):
    for split in x: save_parquet(hub_table(x[split], y[split]), d/f'mnist/{split}/0000.parquet')
def as_parquet_shards(d, x, y):
    for split in x:
        t = hub_table(x[split], y[split]); cut = len(t)//12 + 1
        for i in range(12): save_parquet(t.slice(i*cut, cut), d/f'data/{split}-{i}-of-12.parquet')   # 10 comes after 9
def as_parquet_of_pixels(d, x, y):
    pa = pytest.importorskip('pyarrow')
    both, label = np.vstack([x['train'], x['test']]), np.concatenate([y['train'], y['test']])
    save_parquet(pa.table({**{f'pixel{i + 1}': both[:, i] for i in range(784)}, 'class': label.astype(str)}), d/'dataset_554.pq')
def as_arrow(d, x, y):
    for split in x:
        t = hub_table(x[split], y[split])
        with importlib.import_module('pyarrow').ipc.new_stream(d/f'mnist-{split}.arrow', t.schema) as f: f.write_table(t)

forms = [f for name, f in list(globals().items()) if name.startswith('as_') and name != 'as_alpha']
each_form = pytest.mark.parametrize('form', forms, ids=lambda f: f.__name__[3:])

@pytest.fixture
def small(mnist, monkeypatch):
    "The small MNIST counts as the real one"
    images, labels, totals, places = mnist
    for split, n in totals.items(): monkeypatch.setitem(formats.totals, split, n)
    for folder, p in places.items(): monkeypatch.setitem(formats.mnist_places, folder, p)
    return images, labels

@each_form
def test_form(form, small, rows, tmp_path, capsys):
    d = tmp_path/'test_train'; d.mkdir()                # a name that says nothing of what is in it
    form(d, *small)
    np.testing.assert_array_equal(sources.read_mnist(d), rows)
    only = list(d.iterdir())
    if len(only) == 1: np.testing.assert_array_equal(sources.read_mnist(only[0]), rows)   # named itself
    assert capsys.readouterr().out == ''

def shuffled(x, y):
    order = np.random.default_rng(1).permutation(len(x['train']))
    return dict(x, train=x['train'][order]), dict(y, train=y['train'][order])

@pytest.mark.parametrize('form', [as_keras, as_gz])
def test_another_order(form, small, tmp_path):
    form(tmp_path, *shuffled(*small))
    whole(damaged(tmp_path, 'in another order', 'name a whole MNIST_SAMPLE'))

def test_another_set(small, tmp_path):
    x, y = small
    as_gz(tmp_path, x, {split: (np.arange(len(v)) % 10).astype(np.uint8) for split, v in y.items()})
    whole(damaged(tmp_path, 'This is another data set', '1,300 of the train labels are 3, where MNIST has 6,131'))

def test_part_of_mnist(small, tmp_path):
    x, y = small
    as_keras(tmp_path, dict(x, train=x['train'][:9000]), dict(y, train=y['train'][:9000]))
    whole(damaged(tmp_path, 'the train set has 9,000 images', 'A part of MNIST is not enough'))

def test_one_file_of_four(small, tmp_path):
    as_gz(tmp_path, *small)
    whole(damaged(tmp_path/'train-images-idx3-ubyte.gz', 'but no train labels', f'name the folder, {tmp_path}'))
    (tmp_path/'t10k-labels-idx1-ubyte.gz').unlink()
    whole(damaged(tmp_path, 'but no test labels'))

def test_competition(tmp_path):
    np.save(tmp_path/'train.npy', np.full((42_000, 785), 7, np.uint8)); np.save(tmp_path/'test.npy', np.zeros((28_000, 784), np.uint8))
    whole(damaged(tmp_path, '42,000 train images', 'but no test labels', 'files of a competition', 'in another order'))

def test_images_and_labels_that_do_not_match(small, tmp_path):
    x, y = small
    as_gz(tmp_path, x, dict(y, train=y['train'][:-1]))
    damaged(tmp_path, '13,000 train images have 12,999 labels')

@pytest.mark.parametrize('cut', (5_000, -1))
def test_half_of_an_idx_file(small, tmp_path, cut):
    as_torchvision(tmp_path, *small)
    for f in tmp_path.rglob('*.gz'): f.unlink()
    f = tmp_path/'MNIST/raw/train-images-idx3-ubyte'
    f.write_bytes(f.read_bytes()[:cut])
    damaged(tmp_path, 'train-images-idx3-ubyte', 'half there')

def test_whole_files_that_cannot_be_read(tmp_path):
    "They are not called damaged, and the words fit on a line"
    x, y = np.random.default_rng(0).integers(0, 256, (12, 784), np.uint8), np.arange(12) % 10
    images, labels = torch.from_numpy(x), torch.from_numpy(y)
    np.savez(tmp_path/'openml.npz', X=x, y=y.astype(str).astype(object))
    np.save(tmp_path/'objects.npy', x.astype(object))
    torch.save(torch.utils.data.TensorDataset(images, labels), tmp_path/'set.pt')
    torch.save((images.bfloat16(), labels), tmp_path/'brain.pt')
    write(tmp_path/'lines.jsonl', '\n'.join(json.dumps(dict(image=r.tolist(), label=1)) for r in x).encode())
    for f in sorted(tmp_path.iterdir()):
        said = damaged(f, f.name, 'arrays of numbers, for example with np.savez'); whole(said)
        assert said.isprintable() and len(said) < 300, said
    damaged(tmp_path/'set.pt', 'more than tensors in it (torch.utils.data.dataset.TensorDataset)')
    damaged(tmp_path/'openml.npz', 'cannot be read here (Object arrays cannot be loaded')

@pytest.mark.parametrize('share', (.3, .999))
def test_half_of_a_file_of_any_kind(tmp_path, share):
    x, y = np.random.default_rng(0).integers(0, 256, (12, 784), np.uint8), np.arange(12, dtype=np.uint8) % 10
    for protocol in (2, 5): write(tmp_path/f'{protocol}.pkl', pickle.dumps((x, y), protocol))
    np.save(tmp_path/'a.npy', x); np.savez(tmp_path/'a.npz', x=x, y=y)
    for new in (True, False): torch.save(torch.from_numpy(x), tmp_path/f'{new}.pt', _use_new_zipfile_serialization=new)
    write(tmp_path/'x-idx', idx(x)); write(tmp_path/'x.csv', b'\n'.join([table(x, y)[:-9]]*4))
    if importlib.util.find_spec('pyarrow'): as_parquet(tmp_path, dict(train=x), dict(train=y)); as_arrow(tmp_path, dict(train=x), dict(train=y))
    for f in filter(Path.is_file, tmp_path.rglob('*')):
        f.write_bytes(f.read_bytes()[:int(share*f.stat().st_size)])
        damaged(f, f.name, 'is damaged or only half there', 'download it again')

def test_normalised(small, tmp_path):
    x, y = small
    as_keras(tmp_path, {split: (a/255 - .1307)/.3081 for split, a in x.items()}, y)
    damaged(tmp_path, 'x_train is normalised')

def test_pickle_that_runs_code(tmp_path):
    class Evil:
        def __reduce__(self): return os.mkdir, (str(tmp_path/'harm'),)
    write(tmp_path/'mnist.pkl', pickle.dumps(Evil()))
    damaged(tmp_path/'mnist.pkl', 'a pickle with more than arrays in it')
    assert not (tmp_path/'harm').exists()

def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    write(tmp_path/'train-00000-of-00001.parquet', b'PAR1' + bytes(99))
    monkeypatch.setitem(sys.modules, 'pyarrow', None)
    damaged(tmp_path, 'train-00000-of-00001.parquet', 'pip install pyarrow', 'another form')

@pytest.mark.skipif(not os.path.exists(os.environ.get('MNIST_SGD_DATA', '')), reason='MNIST_SGD_DATA names no MNIST')
def test_real_places(named=os.environ.get('MNIST_SGD_DATA')):
    "MNIST's 3s and 7s are where we say"
    if not any(f.kind == 'image' for f in formats.found_in(formats.Path(named))): pytest.skip('not in files that are named by index')
    places = {}
    for f in formats.found_in(formats.Path(named)):
        if f.kind == 'image': places.setdefault('/'.join(formats._as_digit(f.name)[1:3]), []).append(int(formats._as_digit(f.name)[3][:-4]))
    assert {folder: formats.place_sum(p) for folder, p in places.items()} == formats.mnist_places

# What people name, and where

@pytest.mark.parametrize('wrap', ['"{}"', "'{}'", ' {} ', '\u201c{}\u201d', '`{}`', '\u202a{}', '{}/', '{}\r\n'])
def test_names_as_they_arrive(folder, monkeypatch, wrap):
    monkeypatch.setenv('MNIST_SGD_DATA', wrap.format(folder))
    assert load_data().source == 'mnist'
def test_file_address(folder): assert load_data(path=folder.as_uri()).source == 'mnist'
@pytest.mark.parametrize('word', ['OFFLINE', '"offline"', ' Offline\n', '\u201coffline\u201d'])
def test_words_in_any_case(word, monkeypatch, capsys):
    monkeypatch.setenv('MNIST_SGD_DATA', word)
    assert load_data().source == load_data(word).source == 'offline' and capsys.readouterr().out == ''
def test_address_on_the_network(monkeypatch):
    damaged('https://example.org/mnist.tgz', 'https://example.org/mnist.tgz is an address on the network', 'download it, and name')
    monkeypatch.setenv('MNIST_SGD_DATA', 's3://bucket/mnist')
    with pytest.raises(DataError, match="MNIST_SGD_DATA='s3://bucket/mnist'"): load_data()
def test_one_choice_in_a_session(folder, monkeypatch):
    "What `load_data` was given last is what a run, the lab and the exercises use; a variable that is set later counts"
    from mnist_sgd.data import session_data
    from mnist_sgd.exercises import init as ex, shared
    from mnist_sgd.lab.lab import Lab
    monkeypatch.setattr(sources, '_last', {})
    def used(): return {session_data().source, shared.digits().source, Lab().data.source}
    load_data(path=folder)
    assert used() == {'mnist'} and ex.wide_std.check(1.).images == 'Judged on MNIST.'
    load_data('offline')
    assert used() == {'offline'} and ex.wide_std.check(1.).images == "Judged on digits redrawn from scikit-learn's."
    assert Lab().data is session_data() and session_data('offline').source == 'offline'
    monkeypatch.setenv('MNIST_SGD_DATA', str(folder))
    assert used() == {'mnist'}
    load_data('offline')                                # later than the variable
    assert used() == {'offline'}
    monkeypatch.delenv('MNIST_SGD_DATA')
    load_data('mnist', folder); load_data(); assert used() == {'offline'}

def test_place_given_as_source(folder):
    with pytest.raises(ValueError, match="goes into path="): load_data(str(folder))

def test_offline_by_name(monkeypatch, capsys, archive):
    monkeypatch.setenv('MNIST_SGD_DATA', 'offline')
    assert load_data().source == 'offline' and capsys.readouterr().out == ''
    assert load_data('mnist', archive).source == 'mnist'

def test_two_processes_one_cache(tmp_path):
    code = "from mnist_sgd.data import load_data; print(load_data('offline').train_x.double().sum().item())"
    both = [subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert len({p.communicate()[0] for p in both}) == 1 and len(cached()) == 2
    assert cached()[0].startswith('floats-') and cached()[1] == 'offline-1.npy'

maps = '''
import re
from mnist_sgd.data import load_data
data = load_data('offline')
def kb():
    "Own and shared memory of the images' floats"
    parts = re.split(r'\\n(?=[0-9a-f]+-[0-9a-f]+ )', open('/proc/self/smaps').read())
    part = next(p for p in parts if '/floats-' in p)
    return [sum(map(int, re.findall(rf'^{name}_\\w+:\\s+(\\d+)', part, re.M))) for name in ('Private', 'Shared')]
'''

@pytest.mark.skipif(not Path('/proc/self/smaps').exists(), reason='Linux says which memory is shared')
def test_two_processes_one_memory():
    "The floats are in memory once; who writes to them gets pages of their own, and nobody else sees it"
    reader = subprocess.Popen([sys.executable, '-c', maps + "print(); input(); print(data.train_x.max().item())"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    reader.stdout.readline()                            # it is there, and waits
    writer = subprocess.run([sys.executable, '-c', maps + "print(*kb()); data.train_x.zero_(); print(*kb())"], capture_output=True, text=True, check=True)
    (own, shared), (written, _) = (map(int, line.split()) for line in writer.stdout.splitlines())
    assert reader.communicate('\n')[0] == '1.0\n' and load_data('offline').train_x.max() == 1
    assert own < 1000 and shared > 44_000 and written > 37_000

def test_changed_folder_is_read_again(copy, monkeypatch, rows):
    load_data('mnist', copy)
    replace(copy/'train/3/0.png', png(rows[1]))
    data = load_data('mnist', copy)
    assert torch.equal((data.train_x[0]*255).byte(), torch.from_numpy(rows[1]))

def test_interrupted_cache_write(rows, monkeypatch):
    def save(f, a):
        f.write(b'half'); raise KeyboardInterrupt
    monkeypatch.setattr(sources.np, 'save', save)
    with pytest.raises(KeyboardInterrupt): sources.cached_rows('x', lambda: rows)
    assert cached() == []

@pytest.mark.skipif(sys.platform == 'win32', reason='POSIX permissions')
def test_no_place_for_a_cache(tmp_path, monkeypatch):
    (tmp_path/'file').write_text('')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path/'file'))
    assert len(load_data('offline').train_x) == 12396

def test_no_network(capsys):
    assert load_data().source == 'offline'
    said = capsys.readouterr().out
    assert said.count('\n') == 1 and 'No MNIST here' in said and "scikit-learn" in said
    with pytest.raises(DataError, match="MNIST_SGD_DATA, or take source='offline'"): load_data('mnist')
    assert cached()[-2:] == ['no-answer', 'offline-1.npy']

def test_no_network_is_remembered_for_a_day(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(sources, 'can_download', lambda: asked.append(1))
    def start(*given): sources._download.cache_clear(); return load_data(*given).source   # as a new process does
    assert [start() for _ in range(3)] == ['offline']*3 and len(asked) == 1
    assert "load_data('mnist') asks again" in capsys.readouterr().out
    with pytest.raises(DataError, match='does not answer'): start('mnist')
    assert len(asked) > 1
    yesterday, before = time.time() - 90_000, len(asked)
    os.utime(sources.cache_dir()/'no-answer', (yesterday, yesterday))
    assert start() == 'offline' and len(asked) == before + 1

def test_fastai_copy_is_used(copy, tmp_path, monkeypatch):
    (tmp_path/'fastai'/'data').mkdir(parents=True)
    copy.rename(tmp_path/'fastai'/'data'/'mnist_sample')
    assert load_data('mnist').source == 'mnist' and cached()[1:] == ['mnist.npy']
    monkeypatch.setattr(sources, 'read_mnist', lambda path: pytest.fail('decoded again'))
    assert load_data().source == 'mnist'

def serve(monkeypatch, archive, cut=None):
    "Let `archive` come from a server of ours, `cut` short"
    from http.server import BaseHTTPRequestHandler, HTTPServer
    import threading
    raw = archive.read_bytes()
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200); self.send_header('Content-Length', str(len(raw))); self.end_headers()
            self.wfile.write(raw[:cut])
        def log_message(self, *args): pass
    server = HTTPServer(('127.0.0.1', 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(sources, 'mnist_url', f'http://127.0.0.1:{server.server_port}/mnist_sample.tgz')
    monkeypatch.setattr(sources, 'can_download', lambda: True)
    return server

def test_download(archive, rows, monkeypatch):
    server = serve(monkeypatch, archive)
    try: data = load_data('mnist')
    finally: server.shutdown()
    assert torch.equal((data.train_x[:9]*255).byte(), torch.from_numpy(rows[:9])) and cached()[1:] == ['mnist.npy']

def test_failed_download_leaves_nothing(archive, monkeypatch, tmp_path):
    server = serve(monkeypatch, archive, cut=10_000)
    try:
        with pytest.raises(DataError, match='download.*failed: .*retrieval incomplete: got only 10000 out of'): load_data('mnist')
        assert load_data('auto').source == 'offline'
        monkeypatch.setattr(sources, 'can_download', lambda: pytest.fail('asked again'))
        assert load_data('auto').source == 'offline'
    finally: server.shutdown()
    assert cached()[1:] == ['offline-1.npy'] and not (tmp_path/'fastai').exists()

def test_silent_network_costs_seconds():
    "A server that accepts and never answers: one question, a few seconds"
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0)); s.listen()
        url = f'http://127.0.0.1:{s.getsockname()[1]}/'
        start = time.monotonic()
        assert not can_download(url, 1) and time.monotonic() - start < 3
