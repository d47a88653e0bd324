"What a chart is labelled with can be read: nothing below 9 points, at the size at which a page shows it"
import ast, io, re
from base64 import b64decode
from importlib import import_module
from pkgutil import iter_modules
from xml.etree import ElementTree
import mnist_sgd.panels, pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from test_orders import panels, prepare
from test_project import code_cells, tool
from mnist_sgd.widgets.charts import Bars, Chart, chart_svg, charts_figure, Curve, Table
from mnist_sgd.widgets.page import figure_base64
from mnist_sgd.widgets.panel import Panel

least = 9      # points, of 96/72 pixels each
page = 864     # pixels between the margins of a notebook on a laptop: a wider figure is shrunk to them
make = {name: how for name, (how, *_) in panels.items()}

def on_page(figure):
    "Points of each text of a figure, as shown"
    figure.draw_without_rendering()
    dpi = round(Image.open(io.BytesIO(b64decode(figure_base64(figure)))).info['dpi'][0])
    shrunk = min(1, page/(dpi*figure.get_figwidth()))*dpi/96
    return {t.get_text(): shrunk*t.get_fontsize() for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()}

def on_svg(html):
    "Points of each text of the SVGs in `html`, whose units are pixels where there is room, or larger"
    found = {}
    def walk(e, size):
        size = float(e.get('font-size', size))
        if (e.text or '').strip(): found[e.text] = size*72/96
        for child in e: walk(child, size)
    for svg in re.findall(r'<svg .*?</svg>', html, flags=re.S):
        root = ElementTree.fromstring(svg)
        width = float(root.get('viewBox').split()[2])
        assert width <= page
        walk(root, 16)
    return found

def small(points): return {text: round(p, 1) for text, p in points.items() if p < least - .01}

@pytest.fixture(scope='module')
def names():
    names = {}
    exec(prepare, names)
    return names

def test_every_panel_is_here(names):
    modules = [import_module(f'mnist_sgd.panels.{m.name}') for m in iter_modules(mnist_sgd.panels.__path__)]
    kinds = {n for m in modules for n in m.__all__ if isinstance(getattr(m, n), type) and issubclass(getattr(m, n), Panel)}
    assert kinds <= {*make}

@pytest.mark.parametrize('name', make)
def test_panels_can_be_read(name, names):
    panel = eval(make[name], names)
    state = panel.run()
    drawn, live = on_page(panel.figure(state)), on_svg(panel.svg(state))
    assert drawn and not small(drawn) and not small(live)

axis = dict(x_name='epoch', x_end=3)
charts = [Chart('curves', [Curve([.1, .2, .3], label='loss'), Curve([.3, .2, .1], 'beside', ghost=7)], note='a note', **axis),
          Chart('bars', bars=Bars([1, 2, 3], ['three', 'seven', 'three']), stops=[(0, 'nothing'), (3, 'three')], **axis),
          Chart('table', table=Table([[12, 3], [0, 9]], [0, 1]))]

def test_both_renderings_can_be_read():
    assert not small(on_page(charts_figure(charts, 'all of them')))
    svg = on_svg(''.join(map(chart_svg, charts)))
    assert {'7', '12', 'a note', 'loss'} <= {*svg} and not small(svg)

@pytest.mark.parametrize('path', tool.notebooks(), ids=tool.name_of)
def test_sizes_in_notebooks(path):
    "A size that a cell names, shrunk as its figure is: as wide as the page at most"
    for cell in code_cells(tool.read(path)):
        try: tree = ast.parse(re.sub(r'^\s*[%!].*$', '', cell.source, flags=re.M))
        except SyntaxError: continue
        words = [k for node in ast.walk(tree) if isinstance(node, ast.Call) for k in node.keywords]
        widths = [k.value.elts[0].value for k in words if k.arg == 'figsize' and isinstance(k.value.elts[0], ast.Constant)]
        shrunk = min(1, page/96/max(widths, default=1))
        named = [k.value.value for k in words if k.arg in ('fontsize', 'labelsize', 'size') and isinstance(k.value, ast.Constant)]
        assert all(shrunk*size >= least for size in named if isinstance(size, (int, float))), (cell.id, named, widths)

def test_small_labels_are_seen():
    figure = Figure((12, 2))
    ax = figure.subplots()
    ax.text(.5, .5, 'small', fontsize=8)
    ax.set_title('shrunk', fontsize=11)
    assert {'small', 'shrunk'} <= {*small(on_page(figure))}
    assert [*small(on_svg('<p><svg viewBox="0 0 9 9" font-size="12"><text>as it is</text><text font-size="11">small</text></svg></p>'))] == ['small']
