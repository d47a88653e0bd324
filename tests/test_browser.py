"The lab in a real JupyterLab, dragged with a real mouse"
import pytest
from jupyter_page import browser, chromium, jupyterlab, open_notebook, output_text
from mnist_sgd.data import load_data
from mnist_sgd.engine import run
from mnist_sgd.recipe import parse_recipe

pytestmark = pytest.mark.skipif(chromium is None, reason='no Chromium here: install it, or name it in CHROMIUM')

@pytest.fixture(scope='module')
def page(tmp_path_factory):
    with jupyterlab(tmp_path_factory.mktemp('lab')) as url, browser() as b:
        page = b.new_page(viewport=dict(width=1400, height=1000))
        open_notebook(page, url, '07_live.ipynb')
        yield page

def lab_svg(page): return page.locator('.jp-OutputArea svg[data-lr]').first

def drag(page, handle, dx):
    "Drag a slider's `handle` by `dx` pixels, in steps"
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    x, y = box['x'] + box['width']/2, box['y'] + box['height']/2
    page.mouse.move(x, y); page.mouse.down()
    for i in range(1, 11): page.mouse.move(x + dx*i/10, y)
    page.mouse.up()

def test_no_traceback(page):
    assert '"output_type":"error"' not in output_text(page)
    assert page.locator('.jp-OutputArea [role=alert]').count() == 0

def assert_true_to_engine(svg):
    "What the picture says it was drawn for has the accuracy that the engine computes for it"
    recipe = parse_recipe(svg.get_attribute('aria-label').split(':')[0])
    *_, last = run(recipe, load_data())
    assert abs(float(svg.get_attribute('data-accuracy')) - last.accuracy) < 3/2038  # threads may round otherwise

def finished(page, arg, condition):
    "Wait until the picture shows a finished run for which `condition`, JavaScript over `s.dataset`, `s` and `arg`, holds"
    page.wait_for_function(f'''(arg) => {{ const s = document.querySelector(".jp-OutputArea svg[data-lr]");
        return s.dataset.epoch == s.dataset.epochs && ({condition}) }}''', arg=arg, timeout=60_000)

def test_dragging_lr_retrains(page):
    svg = lab_svg(page)
    svg.wait_for(state='visible', timeout=30_000)
    before = {a: svg.get_attribute(a) for a in ('data-lr', 'data-accuracy')}
    curve = svg.locator('polyline').first.get_attribute('points')
    # slider handles: ipywidgets 8, then 7
    handle = page.locator('.jp-OutputArea .noUi-handle, .jp-OutputArea .ui-slider-handle').first
    readout = page.locator('.jp-OutputArea .widget-readout').first
    value = readout.inner_text()
    for _ in range(5):  # on a busy machine the page may still be moving when the mouse comes down
        if readout.inner_text() == value: drag(page, handle, -30); page.wait_for_timeout(500)
    finished(page, before['data-lr'], 's.dataset.lr != arg')
    page.wait_for_timeout(500)
    svg, shown = lab_svg(page), readout.inner_text()
    assert abs(float(svg.get_attribute('data-lr')) - float(shown)) <= .01*float(shown)     # the picture is of the lr that is shown
    assert svg.get_attribute('data-accuracy') != before['data-accuracy']
    assert svg.locator('polyline').first.get_attribute('points') != curve
    assert_true_to_engine(svg)

def test_shuffle_switch(page):
    page.locator('.jp-OutputArea input[type=checkbox]').first.click()
    finished(page, None, 's.getAttribute("aria-label").includes("shuffle=on")')
    assert_true_to_engine(lab_svg(page))
