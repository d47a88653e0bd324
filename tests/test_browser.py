"The lab in a real JupyterLab, dragged with a real mouse"
import pytest
from jupyter_page import browser, chromium, jupyterlab, open_notebook, output_text

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

def test_dragging_lr_retrains(page):
    svg = lab_svg(page)
    svg.wait_for(state='visible', timeout=30_000)
    before = {a: svg.get_attribute(a) for a in ('data-lr', 'data-accuracy')}
    curve = svg.locator('polyline').first.get_attribute('points')
    # slider handles: ipywidgets 8, then 7
    handle = page.locator('.jp-OutputArea .noUi-handle, .jp-OutputArea .ui-slider-handle').first
    drag(page, handle, -80)
    page.wait_for_function('''([lr]) => { const s = document.querySelector(".jp-OutputArea svg[data-lr]");
        return s.dataset.lr != lr && s.dataset.epoch == s.dataset.epochs }''', arg=[before['data-lr']], timeout=30_000)
    svg = lab_svg(page)
    shown = page.locator('.jp-OutputArea .widget-readout').first.inner_text()
    assert abs(float(svg.get_attribute('data-lr')) - float(shown)) <= .01*float(shown)     # the picture is of the lr that is shown
    assert svg.get_attribute('data-accuracy') != before['data-accuracy']
    assert svg.locator('polyline').first.get_attribute('points') != curve

def test_shuffle_switch(page):
    page.locator('.jp-OutputArea input[type=checkbox]').first.click()
    page.wait_for_function('''() => { const s = document.querySelector(".jp-OutputArea svg[data-lr]");
        return s.dataset.epoch == s.dataset.epochs && s.dataset.accuracy > .95 }''', timeout=30_000)
