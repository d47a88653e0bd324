"Data as it arrives in real life: whole, damaged, or not at all"
import io, os, shutil, socket, subprocess, sys, tarfile, time
import numpy as np, pytest, torch
from PIL import Image
from mnist_sgd.digits import sources
from mnist_sgd.data import load_data
from mnist_sgd.digits.sources import DataError, sizes

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
    monkeypatch.delenv('MNIST_SGD_DATA', raising=False)
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
    assert len(cached()) == 2

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
    with pytest.raises(DataError): load_data('auto', path)  # what was named is never silently replaced

def replace(path, raw): path.unlink(); path.write_bytes(raw)

def test_no_such_path(tmp_path): damaged(tmp_path/'nowhere', 'nowhere', 'does not exist', 'name a folder or .tgz')
def test_empty_folder(tmp_path): damaged(tmp_path, 'holds no PNG files', 'name a folder or .tgz')
def test_not_an_archive(tmp_path):
    (tmp_path/'x.tgz').write_text('<html>not found</html>')
    damaged(tmp_path/'x.tgz', 'x.tgz', 'download it again')
@pytest.mark.parametrize('share', (.1, .5, .99))
def test_half_an_archive(archive, tmp_path, share):
    raw = archive.read_bytes()
    (tmp_path/'half.tgz').write_bytes(raw[:int(share*len(raw))])
    damaged(tmp_path/'half.tgz', 'half.tgz', 'again')
def test_flipped_bytes_in_archive(archive, tmp_path):
    raw = bytearray(archive.read_bytes()); raw[len(raw)//2:len(raw)//2 + 50] = bytes(50)
    (tmp_path/'bad.tgz').write_bytes(raw)
    damaged(tmp_path/'bad.tgz', 'again')
def test_no_picture(copy):
    replace(copy/'train/7/100.png', b'no picture')
    damaged(copy, 'train/7/100.png', 'not a picture', 'again')
def test_half_a_picture(copy, files):
    replace(copy/'valid/3/7.png', files['valid/3/7.png'][:60])
    damaged(copy, 'valid/3/7.png', 'not a picture')
def test_other_size(copy):
    f = io.BytesIO(); Image.new('L', (32, 30)).save(f, 'png')
    replace(copy/'train/3/5.png', f.getvalue())
    damaged(copy, 'train/3/5.png', '30x32 pixels, not 28x28', 'again')
def test_missing_class(copy):
    shutil.rmtree(copy/'valid/7')
    damaged(copy, 'valid/7 holds 0 pictures, not 1028', 'again')
def test_missing_picture(copy):
    (copy/'train/7/9.png').unlink()
    damaged(copy, 'train/7 holds 6264 pictures, not 6265', 'again')

def test_two_copies(copy):
    shutil.copytree(copy/'valid', copy/'again'/'valid', copy_function=os.link)
    damaged(copy, 'more than one copy', 'name the folder mnist_sample')
@pytest.mark.skipif(sys.platform == 'win32', reason='symbolic links')
def test_unreadable_pictures(copy):
    (copy/'train/3/5.png').unlink(); (copy/'train/3/5.png').symlink_to('nowhere')
    damaged(copy, 'again')
    (copy/'train/3/5.png').unlink(); (copy/'train/3/5.png').mkdir()
    damaged(copy, 'again')

def test_offline_by_name(monkeypatch, capsys, archive):
    monkeypatch.setenv('MNIST_SGD_DATA', 'offline')
    assert load_data().source == 'offline' and capsys.readouterr().out == ''
    assert load_data('mnist', archive).source == 'mnist'

def test_two_processes_one_cache(tmp_path):
    code = "from mnist_sgd.digits.sources import offline_rows; print(offline_rows().sum())"
    both = [subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert len({p.communicate()[0] for p in both}) == 1 and cached() == ['offline-1.npy']

def test_changed_folder_is_read_again(copy, monkeypatch, rows):
    load_data('mnist', copy)
    replace(copy/'train/3/0.png', png(rows[1]))
    data = load_data('mnist', copy)
    assert torch.equal((data.train_x[0]*255).byte(), torch.from_numpy(rows[1]))

def test_interrupted_cache_write(rows, monkeypatch):
    def save(path, a):
        path.write_bytes(b'half'); raise KeyboardInterrupt
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
    assert cached() == ['offline-1.npy']

def test_fastai_copy_is_used(copy, tmp_path, monkeypatch):
    (tmp_path/'fastai'/'data').mkdir(parents=True)
    copy.rename(tmp_path/'fastai'/'data'/'mnist_sample')
    assert load_data('mnist').source == 'mnist' and cached() == ['mnist.npy']
    monkeypatch.setattr(sources, 'read_mnist', lambda path: pytest.fail('decoded again'))
    assert load_data().source == 'mnist'

def serve(monkeypatch, archive, cut=None):
    "Let fastai download `archive` from a server of ours, `cut` short"
    import fastai.data.external as external
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
    monkeypatch.setattr(external.URLs, 'MNIST_SAMPLE', f'http://127.0.0.1:{server.server_port}/mnist_sample.tgz')
    monkeypatch.setattr(sources, 'can_download', lambda: True)
    import fastdownload.core
    monkeypatch.setattr(fastdownload.core, 'check', lambda *args: True)
    return server

def test_download(archive, rows, monkeypatch):
    server = serve(monkeypatch, archive)
    try: data = load_data('mnist')
    finally: server.shutdown()
    assert torch.equal((data.train_x[:9]*255).byte(), torch.from_numpy(rows[:9])) and cached() == ['mnist.npy']

def test_failed_download_leaves_nothing(archive, monkeypatch, tmp_path):
    server = serve(monkeypatch, archive, cut=10_000)
    try:
        with pytest.raises(DataError, match='download'): load_data('mnist')
        assert load_data('auto').source == 'offline'
        monkeypatch.setattr(sources, 'can_download', lambda: pytest.fail('asked again'))
        assert load_data('auto').source == 'offline'
    finally: server.shutdown()
    assert cached() == ['offline-1.npy'] and not (tmp_path/'fastai').exists()

def test_silent_network_costs_seconds():
    "A server that accepts and never answers: one question, a few seconds"
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0)); s.listen()
        url = f'http://127.0.0.1:{s.getsockname()[1]}/'
        start = time.monotonic()
        assert not can_download(url, 1) and time.monotonic() - start < 3
        assert not can_download(url, 1) and time.monotonic() - start < 3.5  # asked once
