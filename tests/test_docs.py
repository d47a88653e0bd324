"The site: what its notebooks have lost, what it links to, how large it is, and that it can be built twice"
import filecmp, gzip, importlib.util, io, os, re, shutil, subprocess, sys
import xml.etree.ElementTree as ET
from base64 import b64decode, b64encode
from html.parser import HTMLParser
import nbformat, numpy as np, pytest
from jupyter_page import browser, chromium
from mnist_sgd.data import load_data
from mnist_sgd.runs.engine import run
from mnist_sgd.runs.recipe import parse_recipe
from PIL import Image
from test_project import root, tool

spec = importlib.util.spec_from_file_location('prepare', root/'docs'/'prepare.py')
prepare = importlib.util.module_from_spec(spec)
spec.loader.exec_module(prepare)
code, text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell

def fitted(*cells, name='00_data'): return prepare.fit(nbformat.v4.new_notebook(cells=list(cells)), name).cells

# The pre-step

def test_what_nbdev_understands_is_gone():
    "Directives, hidden cells and what is nothing but directives"
    cells = fitted(code(tool.install_code(), id='install'), text('# Title'), code('#| default_exp data'), code('#| export\nx = 1'), code('#|hide\nassert x'),
                   code("s = '''\n#| is text'''"), code('x # | y'))
    assert [c.source for c in cells] == ['# Title', 'x = 1', "s = '''", 'x # | y']
def test_folded_stays_folded():
    folded, plain = fitted(text('# Title'), code('#| export\nx = 1', metadata=dict(jupyter=dict(source_hidden=True))), code('x'))[1:]
    assert folded.metadata == dict(tags=['hide-input']) and plain.metadata == {}
def test_title_comes_first():
    "Before the badges, where there are any"
    assert [c.source for c in fitted(text('[x](https://a.b)', id='other'), text('# Title'))] == ['# Title', '[x](https://a.b)']
def test_outputs_stay_and_endless_ones_are_cut():
    outputs = [nbformat.v4.new_output('execute_result', {'text/plain': 'x'*n}) for n in (100, 50_000)]
    short, long = (c.outputs[0].data['text/plain'] for c in fitted(text('# Title'), *(code('x', outputs=[o]) for o in outputs))[1:])
    assert short == 'x'*100 and len(long) == prepare.longest + 4 and long.endswith(' ...')
    assert len(outputs[1].data['text/plain']) == 50_000                      # the notebook itself is left alone
def test_images_are_lighter():
    "In 256 colours, close to their own; what has few is exact, and none grows"
    noise = np.random.RandomState(0).randint(0, 40, (200, 300, 3)).cumsum(1).astype(np.uint8)
    def png(pixels):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, 'png')
        return b64encode(file.getvalue()).decode()
    def opened(text): return np.array(Image.open(io.BytesIO(b64decode(text))).convert('RGB'), int)
    given = [nbformat.v4.new_output('display_data', {'image/png': png(pixels)}) for pixels in (noise[:2, :2], noise[:, :1].repeat(300, 1), noise)]
    found = [c.outputs[0].data['image/png'] for c in fitted(text('# Title'), *(code('x', outputs=[o]) for o in given))[1:]]
    assert found[0] == given[0].data['image/png'] and all(len(f) <= len(g.data['image/png']) for f, g in zip(found, given))
    few, many = (abs(opened(f) - opened(g.data['image/png'])) for f, g in zip(found[1:], given[1:]))
    assert few.max() == 0 and many.mean() < 20 and len(found[2]) < .6*len(given[2].data['image/png'])
def test_links(monkeypatch):
    "To notebooks as they are, to the README's as the landing page, to files as the project's home, and never to nothing"
    assert prepare.relink('[a](../03_grad.ipynb#x), [b](https://c.d), [e](#f)', 'runs/recipe') == '[a](../03_grad.ipynb#x), [b](https://c.d), [e](#f)'
    assert prepare.relink('[a](../index.ipynb)', 'runs/recipe') == '[a](../index.md)'
    for user, said in (('OWNER', 'a'), ('someone', '[a](https://github.com/someone/mnist_sgd/blob/main/CONTRIBUTING.md#x)')):
        settings = dict(tool.settings(), user=user)
        monkeypatch.setattr(prepare.tool, 'settings', lambda: settings)
        assert prepare.relink('[a](../CONTRIBUTING.md#x)', 'index') == said
    with pytest.raises(ValueError, match='index: the link to nowhere.ipynb leads nowhere'): prepare.relink('[a](nowhere.ipynb)', 'index')
def test_badges(monkeypatch):
    "Words, not images, and only where they lead somewhere"
    settings = dict(tool.settings(), user='OWNER')
    monkeypatch.setattr(prepare.tool, 'settings', lambda: settings)
    assert prepare.badges('00_data') == ''
    settings['user'] = 'someone'
    assert re.fullmatch(r'\[Open in Colab\]\(\S+someone\S+00_data.ipynb\) · \[Open in Kaggle\]\(\S+\)', prepare.badges('00_data'))
def test_opening(monkeypatch):
    "Minutes and needs are the lesson's own; a lesson that does not say them is named"
    assert prepare.opening('01_init') == ('45', '[00_data](00_data.ipynb)')
    nb = tool.read(tool.nbs/'01_init.ipynb')
    for cell in nb.cells: cell.source = cell.source.replace('45 minutes', 'Some minutes')
    monkeypatch.setattr(prepare.tool, 'read', lambda path: nb)
    with pytest.raises(ValueError, match='nbs/01_init.ipynb: say .*minutes'): prepare.opening('01_init')
def test_the_map_has_every_lesson():
    page = prepare.landing_page(prepare.index_parts())
    assert '| notebook | the question | what you build | what breaks | minutes | you need |' in page   # docs/site.css counts on it
    for name in prepare.lessons:
        row, = re.findall(rf'^\| \[{name}\]\({name}.ipynb\) \|.*', page, re.M)
        assert row.endswith(' | {} | {} |'.format(*prepare.opening(name)))
    assert len(prepare.lessons) == 11
    assert {*prepare.lessons, *prepare.beside, 'index'} == {p.stem for p in tool.nbs.glob('*.ipynb')}
def test_folders_have_their_page():
    "The README's table of folders is on a page of its own, and neither on the landing page nor on that on installing"
    tests, folders = prepare.tests_and_folders(prepare.index_parts())
    assert folders.startswith('Everything that serves them has a folder:') and '| `panels/` |' in folders and 'Run all the tests' in tests
    assert '`panels/`' not in tests + prepare.landing_page(prepare.index_parts())
    with pytest.raises(ValueError, match='no paragraph begins with "Behind the lessons, "'): prepare.tests_and_folders({'Tests, and the rest': 'Run them.'})
def test_reference_is_whole():
    "Every module but the answers"
    modules = {f'{package}.{name}' for package, names in prepare.packages().items() for name in names}
    exported = {'.'.join(p.relative_to(root).with_suffix('').parts) for p in (root/'mnist_sgd').rglob('*.py') if not p.name.startswith('_')}
    assert modules == {m for m in exported if '.exercises.' not in m}


# The moving chart of the README

from_file = importlib.util.spec_from_file_location('moving', root/'tools'/'moving.py')
moving = importlib.util.module_from_spec(from_file)
from_file.loader.exec_module(moving)
drawn = root/'docs'/'images'/'drag_lr.svg'

def frames(svg):
    "Learning rate and accuracy of each frame"
    groups = [g for g in ET.fromstring(svg).iter('{http://www.w3.org/2000/svg}g') if g.get('class') == 'f']
    said = [' '.join(e.text for e in g.iter('{http://www.w3.org/2000/svg}text')) for g in groups]
    return [(float(re.search(r'lr = (\S+)', words)[1]), float(re.search(r'accuracy (\S+)', words)[1])) for words in said]

def test_moving_chart():
    "It is small, and has a frame for each lr, of a run that comes out the same where MNIST is here"
    svg = drawn.read_text(encoding='utf-8')
    assert len(svg) < 1e6 and 'http' not in svg.replace('http://www.w3.org/2000/svg', '')
    found = frames(svg)
    assert [lr for lr, _ in found] == moving.rates
    data = load_data('offline' if os.environ.get('MNIST_SGD_DATA', 'offline') == 'offline' else 'mnist')
    fresh = [moving.frame(lr, data) for lr in (.01, 1, moving.rates[-1])]
    for lr, accuracy in frames(moving.moving(fresh, 1)):
        *_, last = run(parse_recipe(f'lr={lr}, epochs=20'), data)
        assert abs(accuracy - last.accuracy) < .002
        if data.source == 'mnist': assert abs(dict(found)[lr] - last.accuracy) < .004

@pytest.mark.skipif(chromium is None, reason='no Chromium here: install it, or name it in CHROMIUM')
def test_one_frame_at_a_time():
    "At any moment one frame is to be seen; with reduced motion it is always that of lr=1"
    visible = '[...document.querySelectorAll(".f")].filter(g => getComputedStyle(g).visibility == "visible").map(g => g.id)'
    with browser() as chrome:
        for motion in ('no-preference', 'reduce'):
            page = chrome.new_page(reduced_motion=motion)
            page.goto(drawn.as_uri())
            seen = [page.evaluate(f"""t => {{ for (const a of document.getAnimations()) {{ a.pause(); a.currentTime = t }} return {visible} }}""", t) for t in range(0, 12_000, 457)]
            assert all(len(ids) == 1 for ids in seen)
            assert ({ids[0] for ids in seen} == {f'f{moving.rates.index(1)}'}) == (motion == 'reduce')
            page.close()


# The site

needs_sphinx = pytest.mark.skipif(any(importlib.util.find_spec(m) is None for m in ('furo', 'latex2mathml', 'myst_nb', 'sphinx')),
                                  reason="no Sphinx here: pip install -e '.[docs]'")
needs_browser = pytest.mark.skipif(chromium is None, reason='no Chromium here: install it, or name it in CHROMIUM')

def make(clone, site):
    "Build the site in `clone`, where the network is out of reach"
    proxy = {name: 'http://127.0.0.1:9' for name in ('http_proxy', 'https_proxy', 'all_proxy')}
    env = os.environ | proxy | dict(PYTHONPATH=str(clone), MNIST_SGD_DATA='offline')
    res = subprocess.run([sys.executable, 'docs/build.py', str(site)], cwd=clone, env=env, capture_output=True, text=True)
    assert res.returncode == 0, res.stderr[-3000:]

def clone(folder):
    "A copy of the project, without environments and what was built in it"
    return shutil.copytree(root, folder, ignore=shutil.ignore_patterns('.*', '__pycache__', '*.egg-info', '_*source', 'node_modules', 'build', 'dist'))

@pytest.fixture(scope='module')
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp('one')
    make(clone(folder/'clone'), folder/'site')
    return folder/'site'

class Page(HTMLParser):
    "Where a page points to, what it fetches, and its places"
    def __init__(self, path):
        super().__init__()
        self.links, self.fetched, self.places = [], [], set()
        self.feed(path.read_text(encoding='utf-8'))
    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if attrs.get('id'): self.places.add(attrs['id'])
        if tag == 'a' and attrs.get('href'): self.links.append(attrs['href'])
        if tag in ('img', 'script', 'link', 'iframe'): self.fetched += [v for k, v in attrs.items() if k in ('src', 'href') and v]

@needs_sphinx
@pytest.mark.ci
def test_site_is_whole(site):
    "No dead link, nothing from another site, no directive, no install cell; every notebook has a page"
    pages = {p: Page(p) for p in site.rglob('*.html')}
    dead = []
    for path, page in pages.items():
        for target in page.links + page.fetched:
            if re.match(r'data:|mailto:', target): continue
            if re.match(r'\w+:|//', target):
                assert target not in page.fetched, f'{path.name} fetches {target}'
                continue
            file, _, place = target.partition('#')
            other = (path.parent/file.split('?')[0]).resolve() if file else path
            if not other.is_file() or (place and other in pages and place not in pages[other].places): dead.append((path.name, target))
    assert not dead
    for path in tool.notebooks():
        if path.stem == 'index': continue
        page = (site/f'{tool.name_of(path)}.html').read_text(encoding='utf-8')
        code = '\n'.join(re.sub('<[^>]*>', '', block) for block in re.findall('<pre[^>]*>(.*?)</pre>', page, re.S))
        assert len(code) > 20 or path.stem in ('glossary', 'misconceptions', 'teacher'), tool.name_of(path)
        assert not re.search(r'^#\||run_line_magic\(.pip.', code, re.M), tool.name_of(path)
    assert 'class="cell tag_hide-input' in (site/'panels'/'grad.html').read_text(encoding='utf-8')

@needs_sphinx
@pytest.mark.ci
def test_reference(site):
    "A function has its signature, its docstring and the words behind its parameters"
    said = re.sub('<[^>]*>', '', (site/'reference'/'mnist_sgd.html').read_text(encoding='utf-8'))
    assert 'calc_grad(' in said and re.search(r'Parameters.*\bxb\b', said, re.S)

@needs_sphinx
@pytest.mark.ci
def test_code_keeps_its_colors(site):
    "What lost its mark-up had the colour of all code, light and dark; what has another one is marked"
    plain = re.search(r"^plain = (.*?) *#", (root/'docs'/'build.py').read_text(encoding='utf-8'), re.M)[1].replace("'", '').split(', ')
    sheet = (site/'_static'/'pygments.css').read_text(encoding='utf-8')
    rules = [(prefix.strip(), name, color.lower()) for prefix, name, color in re.findall(r'^(.*?)\.highlight(?: \.(\w+))? \{[^}]*(?<!-)\bcolor: (#\w+)', sheet, re.M)]
    usual = {prefix: color for prefix, name, color in rules if not name}
    assert len(usual) >= 2 and {name for prefix, name, _ in rules} > {*plain}
    assert not [rule for rule in rules if rule[1] in plain and rule[2] != usual[rule[0]]]
    page = (site/'03_grad.html').read_text(encoding='utf-8')
    marked = set(re.findall(r'<span class="(\w+)">[^<]*</span>', page))
    assert marked >= {'k', 's1', 'c1', 'mi'} and not marked & {*plain}

@needs_sphinx
@pytest.mark.ci
def test_sizes(site):
    "A lesson with its files, the landing page with the lab and its digits, and the whole"
    def packed(path): return len(gzip.compress(path.read_bytes(), 6, mtime=0))
    for name in prepare.lessons:
        images = {site/target for target in Page(site/f'{name}.html').fetched if target.startswith('_images')}
        assert packed(site/f'{name}.html') + sum(map(packed, images)) < 300_000, name
    assert packed(site/'index.html') + packed(site/'_static'/'digits.js') < 2.6e6
    total = sum(p.stat().st_size for p in site.rglob('*') if p.is_file())
    assert total < 12e6, f'{total/1e6:.2f} MB'

@needs_sphinx
@pytest.mark.ci
@needs_browser
def test_site_in_a_browser(site):
    "From a folder and without a network: the lab trains on the landing page, nothing overflows, axe finds nothing serious, colours follow furo's switch"
    from axe_playwright_python.sync_playwright import Axe
    with browser() as chrome:
        context = chrome.new_context(offline=True)
        page, said, asked = context.new_page(), [], []
        page.on('console', lambda m: said.append(m.text))
        page.on('pageerror', lambda e: said.append(str(e)))
        page.on('request', lambda r: asked.append(r.url))
        def colour(): return page.evaluate('getComputedStyle(document.body).getPropertyValue("--sgd-three")')
        for width in (320, 390, 1366):
            page.set_viewport_size(dict(width=width, height=844))
            for name in ('index', '03_grad', '08_sweep', 'reference/mnist_sgd.runs'):
                page.goto((site/f'{name}.html').as_uri())
                assert page.evaluate('document.documentElement.scrollWidth <= innerWidth'), (name, width)
            page.goto((site/'index.html').as_uri() + '#lr=0.5,epochs=3')
            page.wait_for_function('document.querySelector("#stop")?.disabled && document.querySelector(".charts")?.dataset.recipe == "lr=0.5, epochs=3"', timeout=30_000)
            assert page.evaluate('document.documentElement.scrollWidth <= innerWidth'), width
        *_, last = run(parse_recipe('lr=0.5, epochs=3'), load_data('offline'))
        assert abs(float(page.locator('.charts').get_attribute('data-accuracy')) - last.accuracy) < 1.5/2038
        seen = []
        for name in ('index', '03_grad', 'reference/mnist_sgd'):   # without `preload`, or axe fetches stylesheets
            page.set_viewport_size(dict(width=390, height=844))
            page.goto((site/f'{name}.html').as_uri())
            found = [v for v in Axe().run(page, options=dict(preload=False)).response['violations'] if v['impact'] in ('serious', 'critical')]
            assert not found, [(v['id'], [n['html'][:200] for n in v['nodes']]) for v in found]
        for theme in ('light', 'dark'):
            page.evaluate('theme => { document.body.dataset.theme = theme }', theme)
            seen.append(colour())
        assert seen == ['#542788', '#b2abd2']
        assert not said and all(url.startswith(('file:', 'blob:', 'data:')) for url in asked)
        context.close()

@needs_sphinx
@pytest.mark.ci
def test_built_twice(site, tmp_path):
    "Another clone in another place gives the same files, byte for byte"
    make(clone(tmp_path/'a'/'different'/'place'), tmp_path/'site')
    names = sorted(str(p.relative_to(site)) for p in site.rglob('*') if p.is_file())
    assert names == sorted(str(p.relative_to(tmp_path/'site')) for p in (tmp_path/'site').rglob('*') if p.is_file())
    assert filecmp.cmpfiles(site, tmp_path/'site', names, shallow=False)[1:] == ([], [])
