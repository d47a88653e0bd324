"The panels in a real JupyterLab, moved with a real mouse and a real keyboard"
import json, re, shutil, subprocess, sys, time
from contextlib import contextmanager
from pathlib import Path
import pytest
from jupyter_page import browser, chromium, jupyterlab, open_notebook, output_text, root, voila
from mnist_sgd.data import load_data
from mnist_sgd.runs.engine import run
from mnist_sgd.runs.recipe import parse_recipe

pytestmark = pytest.mark.skipif(chromium is None, reason='no Chromium here: install it, or name it in CHROMIUM')

@pytest.fixture(scope='module')
def folder(tmp_path_factory): return tmp_path_factory.mktemp('lab')

@pytest.fixture(scope='module')
def site(folder):
    with jupyterlab(folder) as url, browser() as b: yield url, b

@pytest.fixture(scope='module')
def page(site):
    url, b = site
    page = b.new_page(viewport=dict(width=1400, height=1000))
    open_notebook(page, url, '07_live.ipynb')
    # hold on to the first panel of the page, and keep it in view
    page.evaluate('document.querySelector(".jp-OutputArea .mnist-sgd").scrollIntoView()')
    page.locator('.mnist-sgd [data-lr]').first.wait_for(state='visible', timeout=30_000)
    yield page

def lab(page): return page.locator('.jp-OutputArea .mnist-sgd').first
def picture(page): return lab(page).locator('[data-lr]').first
def status(page): return lab(page).locator('.mnist-sgd-status').inner_text()
def box(page, name): return lab(page).locator(f'.mnist-sgd-{name} input').first

def finished(page, condition='true', arg=None):
    "Wait until the picture is of a run that ended, for which `condition`, JavaScript over `s.dataset`, `s` and `arg`, holds"
    page.wait_for_function(f'''(arg) => {{ const s = document.querySelector(".jp-OutputArea .mnist-sgd [data-lr]");
        const stop = [...document.querySelectorAll(".jp-OutputArea .mnist-sgd button")].find(b => b.innerText == "stop");
        return !stop.classList.contains("mod-warning") && ({condition}) }}''', arg=arg, timeout=60_000)

def show(page, recipe):
    "Type `recipe` into the lab's line, wait for its run, and return the last record's accuracy as shown"
    line = lab(page).get_by_label('recipe').first
    line.fill(recipe); line.press('Enter')
    finished(page, 's.dataset.recipe == arg', recipe)
    return float(picture(page).get_attribute('data-accuracy'))

def assert_true_to_engine(page):
    "What the picture says it was drawn for has the accuracy that the engine computes for it"
    *_, last = run(parse_recipe(picture(page).get_attribute('data-recipe')), load_data())
    assert abs(float(picture(page).get_attribute('data-accuracy')) - last.accuracy) < 3/2038  # threads may round otherwise

def drag(page, handle, dx):
    "Drag a slider's `handle` by `dx` pixels, in steps, once the page has come to rest"
    handle.scroll_into_view_if_needed()
    b = None
    while b != (b := handle.bounding_box()): page.wait_for_timeout(300)
    x, y = b['x'] + b['width']/2, b['y'] + b['height']/2
    page.mouse.move(x, y); page.mouse.down()
    for i in range(1, 11): page.mouse.move(x + dx*i/10, y)
    page.mouse.up()

def test_no_traceback(page):
    assert '"output_type":"error"' not in output_text(page)
    assert page.locator('.jp-OutputArea [role=alert]').count() == 0

def test_dragging_lr_retrains(page):
    finished(page)
    before, curve = picture(page).get_attribute('data-lr'), lab(page).locator('polyline').first.get_attribute('points')
    handle = lab(page).locator('.noUi-handle, .ui-slider-handle').first  # ipywidgets 8, then 7
    for _ in range(5):  # on a busy machine the page may still be moving when the mouse comes down
        if box(page, 'lr').input_value() == before: drag(page, handle, -30); page.wait_for_timeout(500)
    finished(page, 's.dataset.lr != arg', before)
    page.wait_for_timeout(500)
    finished(page)
    assert picture(page).get_attribute('data-lr') == box(page, 'lr').input_value()    # the picture is of the lr that is shown
    assert lab(page).locator('polyline').first.get_attribute('points') != curve
    assert_true_to_engine(page)

def test_typing_and_switching(page):
    "A number that the slider has no step for stays as it was typed; a switch retrains"
    box(page, 'lr').fill('0.37'); box(page, 'lr').press('Enter')
    finished(page, 's.dataset.lr == "0.37"')
    page.wait_for_timeout(500)
    assert box(page, 'lr').input_value() == '0.37'
    lab(page).locator('.mnist-sgd-shuffle input').click()
    finished(page, 's.dataset.recipe.includes("shuffle=on")')
    assert_true_to_engine(page)

def test_bad_values_are_explained(page):
    box(page, 'lr').fill('-1'); box(page, 'lr').press('Enter')
    page.wait_for_function('document.querySelector(".jp-OutputArea .mnist-sgd [role=alert]")?.innerText.includes("give a number above 0")')
    show(page, 'lr=3, epochs=5')
    assert lab(page).locator('[role=alert]').count() == 0

@pytest.mark.parametrize('name, typed, said', [('lr', '0,1', 'has a comma'), ('lr', 'nan', 'type a finite one'), ('epochs', '2.5', 'not a whole number'),
                                               ('epochs', '0', 'give a whole number above 0'), ('lr', '', 'box is empty')])
def test_what_a_box_cannot_take(page, name, typed, said):
    "It is refused in words below the box, and the box shows what runs"
    show(page, 'lr=1, epochs=5')
    before = box(page, name).input_value()
    box(page, name).fill(typed); box(page, name).press('Enter')
    alert = lab(page).locator(f'.mnist-sgd-{name} [role=alert]')
    alert.wait_for()
    assert said in alert.inner_text() and f'{name} stays {before}' in alert.inner_text()
    page.wait_for_function('([name, v]) => document.querySelector(`.jp-OutputArea .mnist-sgd-${name} input`).value == v', arg=[name, before])
    assert picture(page).get_attribute('data-recipe') == 'lr=1, epochs=5'
    box(page, name).fill('1e1'); box(page, name).press('Enter')
    finished(page, f's.dataset.{name} == "10"')
    assert alert.count() == 0 and box(page, name).input_value() == '10'

def test_error_stays_at_the_line(page):
    "A bad line is refused right below it, in our words alone, and stays while a run ends, until the line changes"
    show(page, 'lr=1, epochs=5')
    box(page, 'epochs').fill('300'); box(page, 'epochs').press('Enter')
    line = lab(page).get_by_label('recipe').first
    page.wait_for_function('+document.querySelector(".jp-OutputArea .mnist-sgd [data-epoch]").dataset.epochs == 300')
    line.fill('lr=much'); line.press('Enter')
    alert = lab(page).locator('[role=alert]')
    alert.wait_for()
    finished(page, 's.dataset.epoch == "300"')
    assert line.input_value() == 'lr=much' and alert.count() == 1
    assert 'lr=much: give a number' in alert.inner_text() and not re.search('__init__|Error|File', alert.inner_text())
    below = alert.bounding_box()['y'] - line.bounding_box()['y']
    assert 0 < below < 60
    show(page, 'lr=1, epochs=4')
    assert alert.count() == 0

@pytest.mark.parametrize('width, height', [(1366, 768), (1280, 800)])
def test_on_a_laptop(page, width, height):
    "While lr is dragged, its slider, at least 300 px wide, both curves, the sentence and the challenge are on the screen"
    show(page, 'lr=1, epochs=5')
    if lab(page).get_by_role('button', name='more').evaluate('b => b.classList.contains("mod-active")'): lab(page).get_by_role('button', name='more').click()
    page.set_viewport_size(dict(width=width, height=height))
    page.evaluate('document.querySelector(".jp-OutputArea .mnist-sgd").scrollIntoView()')
    page.wait_for_timeout(1000)
    handle = lab(page).locator('.noUi-handle, .ui-slider-handle').first
    b = handle.bounding_box()
    page.mouse.move(b['x'] + b['width']/2, b['y'] + b['height']/2); page.mouse.down()
    for i in range(10): page.mouse.move(b['x'] + b['width']/2 + 4*i, b['y'] + b['height']/2)
    places = page.evaluate("""() => { const panel = document.querySelector(".jp-OutputArea .mnist-sgd");
        const screen = panel.closest(".jp-WindowedPanel-outer, .jp-Notebook").getBoundingClientRect();
        const charts = [...panel.querySelectorAll("[data-lr] svg")].slice(0, 2);
        return [panel.querySelector(".mnist-sgd-lr"), panel.querySelector(".mnist-sgd-status"), panel.querySelector(".mnist-sgd-goal"), ...charts].map(e => {
            const r = e.getBoundingClientRect();
            return r.height > 10 && r.top >= screen.top - 1 && r.bottom <= screen.bottom + 1 && r.left >= screen.left && r.right <= screen.right + 1 }) }""")
    page.mouse.up()
    track = lab(page).locator('.mnist-sgd-lr .noUi-target, .mnist-sgd-lr .ui-slider').first.bounding_box()['width']
    page.set_viewport_size(dict(width=1400, height=1000))
    finished(page)
    assert places == [True]*5 and track >= 300

def test_a_list_keeps_its_choice(page):
    "The run that is shown stands in the list; going back to another one is a choice that stays"
    show(page, 'lr=1, epochs=3'); show(page, 'lr=2, epochs=3')
    chosen = lab(page).locator('.mnist-sgd-restore select')
    def labels(which): return [text.replace('\xa0', ' ') for text in chosen.evaluate(f's => [...s.{which}].map(o => o.text)')]
    def label(): return labels('selectedOptions')[0]
    assert label().endswith(': lr=2, epochs=3')
    chosen.select_option(index=next(i for i, text in enumerate(labels('options')) if text.endswith(': lr=1, epochs=3')))
    finished(page, 's.dataset.recipe == "lr=1, epochs=3"')
    assert label().endswith(': lr=1, epochs=3')

def tab_to(page, condition):
    "Press Tab until `condition`, JavaScript, holds"
    for _ in range(40):
        if page.evaluate(condition): return
        page.keyboard.press('Tab')
    raise AssertionError(f'no Tab leads to: {condition}')

def test_keyboard_alone(page):
    "From the first control to a ticked challenge, and along the curve, without a mouse"
    show(page, 'lr=1, epochs=20')
    assert 'open' in lab(page).locator('ol li').nth(2).inner_text()
    box(page, 'lr').focus()
    page.keyboard.press('Control+A'); page.keyboard.type('2'); page.keyboard.press('Enter')
    finished(page, 's.dataset.lr == "2"')
    tab_to(page, 'document.activeElement.innerText == "more"')
    page.keyboard.press('Space')                         # unfold the rows that are rarely moved
    lab(page).locator('.mnist-sgd-loss select').wait_for(state='visible')
    for _ in range(40):
        if page.evaluate('!!document.activeElement.closest(".mnist-sgd-loss")'): break
        page.keyboard.press('Shift+Tab')
    page.keyboard.type('sq')                             # as one chooses in a list by its first letters
    finished(page, 's.dataset.recipe.includes("loss=squared")')
    page.wait_for_function('document.querySelectorAll(".jp-OutputArea .mnist-sgd ol li")[2].innerText.includes("done")')
    assert 'Challenge 3 is solved' in status(page)
    show(page, 'lr=1, epochs=5')
    tab_to(page, 'document.activeElement.matches(".pt")')
    last = lab(page).locator('.say').text_content()
    page.keyboard.press('ArrowLeft')
    assert lab(page).locator('.say').text_content() != last and 'epoch 4' in lab(page).locator('.say').text_content()

def test_challenges_and_ghosts(page):
    "All six challenges, by driving the panel; then back to an earlier run by a click on its ghost"
    show(page, 'lr=1, epochs=20')
    show(page, 'lr=10, epochs=3, shuffle=on')
    show(page, 'lr=10000, epochs=20, shuffle=on, loss=cross_entropy')
    show(page, 'lr=1, epochs=2, loss=squared')
    assert re.search(r'became (NaN|infinite).* at epoch 1, batch \d+: a squared loss has no ceiling', status(page)), status(page)
    show(page, 'lr=10, epochs=20')
    lab(page).locator('.mnist-sgd-shuffle input').click()
    finished(page, 's.dataset.recipe == "lr=10, epochs=20, shuffle=on"')
    show(page, 'lr=0.05, epochs=10, shuffle=on, loss=cross_entropy, zero_grad=off')
    lr = .0316
    for _ in range(12):  # down the slider's steps until it fails
        lr = float(f'{lr/10**.1:.3g}')
        if show(page, f'lr={lr:g}, epochs=5, shuffle=on') < .95: break
    page.wait_for_function('document.querySelector(".jp-OutputArea .mnist-sgd ol").innerText.match(/done/g)?.length >= 5')
    tasks = lab(page).locator('ol li').all_inner_texts()
    wanted = range(6) if load_data().source == 'mnist' else (1, 2, 3, 4, 5)
    assert all('done' in tasks[i] for i in wanted), tasks
    ghost = lab(page).locator('polyline[data-run]').last
    number = ghost.get_attribute('data-run')
    row = lab(page).locator('table tr', has=page.locator('th', has_text=re.compile(f'^{number}$')))
    recipe = row.locator('td').first.inner_text()
    ghost.dispatch_event('click')
    finished(page, 's.dataset.recipe == arg', recipe)

def test_stop(page):
    box(page, 'epochs').fill('3000'); box(page, 'epochs').press('Enter')
    page.wait_for_function('+document.querySelector(".jp-OutputArea .mnist-sgd [data-epoch]").dataset.epoch > 5 && '
                           '+document.querySelector(".jp-OutputArea .mnist-sgd [data-epoch]").dataset.epochs == 3000', timeout=30_000)
    lab(page).get_by_role('button', name='stop').click()
    finished(page)
    assert 'where it was stopped' in status(page)
    lab(page).get_by_role('button', name='start again').click()
    finished(page, 's.dataset.recipe == "lr=1, epochs=20"')

def test_long_work_shows(page):
    "Work that takes more than a second has a bar and a word; when it ends, neither is there"
    show(page, 'lr=1, epochs=5')
    shown = """pseudo => { const panel = document.querySelector(".jp-OutputArea .mnist-sgd");
        const e = pseudo == "::before" ? panel : panel.querySelector(".mnist-sgd-status"), s = getComputedStyle(e, pseudo);
        return s.content != "none" && s.opacity == "1" }"""
    assert not page.evaluate(shown, '::before') and not page.evaluate(shown, '::after')
    box(page, 'epochs').fill('3000'); box(page, 'epochs').press('Enter')
    for pseudo in ('::before', '::after'): page.wait_for_function(shown, arg=pseudo, timeout=30_000)
    lab(page).get_by_role('button', name='stop').click()
    finished(page)
    assert not page.evaluate(shown, '::before') and not page.evaluate(shown, '::after')

def ask_kernel(page, code):
    "What `code` prints when it is run in the notebook's kernel"
    return page.evaluate('''async (code) => {
        const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel; let text = "";
        const future = kernel.requestExecute({code, silent: false, store_history: false});
        future.onIOPub = m => { if (m.content.text) text += m.content.text }; await future.done; return text }''', code)

def test_kernel_answers_during_a_run(page):
    box(page, 'epochs').fill('20000'); box(page, 'epochs').press('Enter')
    page.wait_for_function('+document.querySelector(".jp-OutputArea .mnist-sgd [data-epoch]").dataset.epochs == 20000', timeout=30_000)
    assert ask_kernel(page, 'print(6*7)').strip() == '42'
    assert page.evaluate('[...document.querySelectorAll(".jp-OutputArea .mnist-sgd button")].find(b => b.innerText == "stop").classList.contains("mod-warning")')
    lab(page).get_by_role('button', name='stop').click()
    finished(page)

def test_a_cell_and_a_hand(page):
    "A hand on a control while a cell drives the same panel: both end on what was asked for last"
    show(page, 'lr=1, epochs=5')
    page.evaluate('''() => { window.cell = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute(
        {code: "lab.run(lr=1., epochs=600);", store_history: false}).done }''')
    page.wait_for_function('document.querySelector(".jp-OutputArea .mnist-sgd [data-epochs]").dataset.epochs == "600"', timeout=30_000)
    box(page, 'epochs').fill('4'); box(page, 'epochs').press('Enter')
    page.evaluate('() => window.cell')
    finished(page, 's.dataset.epochs == "4" && s.dataset.epoch == "4"')
    assert box(page, 'epochs').input_value() == '4'

def test_colab_path(page):
    "Where the front end shows nothing from threads, as in Colab, the panel works in the callback itself"
    show(page, 'lr=1, epochs=5')
    ask_kernel(page, """import sys, types
sys.modules['google.colab'], submitted, submit = types.ModuleType('google.colab'), [], lab.worker.submit
lab.worker.submit = lambda job: (submitted.append(job), submit(job))""")
    show(page, 'lr=2, epochs=6')
    lab(page).locator('.mnist-sgd-shuffle input').click()
    finished(page, 's.dataset.recipe == "lr=2, epochs=6, shuffle=on" && s.dataset.epoch == "6"')
    assert_true_to_engine(page)
    assert ask_kernel(page, 'print(len(submitted))').strip() == '0'
    ask_kernel(page, "del sys.modules['google.colab']; lab.worker.submit = submit")

def test_newest_wins(page):
    "A hand that never rests ends on its last value"
    show(page, 'lr=1, epochs=40')
    page.evaluate('''async () => { const input = document.querySelector(".jp-OutputArea .mnist-sgd .mnist-sgd-lr input");
        for (let i = 1; i <= 60; i++) { input.value = (i/10).toFixed(1); input.dispatchEvent(new Event("change", {bubbles: true}));
            await new Promise(r => setTimeout(r, 20)) } }''')
    finished(page, 's.dataset.lr == "6" && s.dataset.epoch == "40"')
    page.wait_for_timeout(500)
    assert picture(page).get_attribute('data-lr') == '6'
    assert_true_to_engine(page)

def test_no_thread_stays(page):
    "Once it is idle, the lab leaves no thread in the kernel; a later change starts one again"
    show(page, 'lr=2, epochs=3')
    count = '''import threading; print('workers', sum(t.name == 'mnist_sgd worker' for t in threading.enumerate()))'''
    def workers(): return ask_kernel(page, count)
    assert int(workers().split()[1]) > 0
    end = time.monotonic() + 30
    while workers().strip() != 'workers 0' and time.monotonic() < end: page.wait_for_timeout(1000)
    assert workers().strip() == 'workers 0'
    show(page, 'lr=2, epochs=4')

def test_accessible(page):
    "No serious finding of an accessibility audit, in the light theme and in the dark one"
    axe = pytest.importorskip('axe_playwright_python.sync_playwright').Axe()
    show(page, 'lr=1, epochs=5, shuffle=on')
    page.wait_for_timeout(3500)  # the names of the sliders' handles come a moment later
    for theme in ('JupyterLab Light', 'JupyterLab Dark'):
        page.evaluate('theme => window.jupyterapp.commands.execute("apputils:change-theme", {theme})', theme)
        page.wait_for_timeout(1500)
        found = axe.run(page, context='.jp-OutputArea .mnist-sgd').response['violations']
        assert not [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found if v['impact'] in ('serious', 'critical')]
    page.evaluate('window.jupyterapp.commands.execute("apputils:change-theme", {theme: "JupyterLab Light"})')

def test_voila(site, tmp_path):
    "The lab alone, served full screen: it retrains, and fits a narrow page"
    pytest.importorskip('voila')
    with voila(tmp_path, 'lab.ipynb') as url:
        page = site[1].new_page(viewport=dict(width=1300, height=1000))
        page.goto(url, timeout=180_000)                  # Voila runs the notebook before the page has loaded
        page.locator('.mnist-sgd [data-lr]').first.wait_for(timeout=90_000)
        page.locator('.mnist-sgd-lr input').first.fill('10'); page.locator('.mnist-sgd-lr input').first.press('Enter')
        page.wait_for_function('document.querySelector(".mnist-sgd [data-recipe]").dataset.recipe == "lr=10, epochs=20"', timeout=30_000)
        page.set_viewport_size(dict(width=320, height=1000))
        page.wait_for_function('''() => {
            const charts = [...document.querySelectorAll(".mnist-sgd [data-lr] svg")].map(e => e.getBoundingClientRect());
            return charts.length == 6 && charts.every(r => r.left >= 0 && r.right <= 325 && r.width > 200) }''')

def test_sweep_click(site):
    "A click in the sweep's map picks a run and opens it in the lab"
    url, b = site
    page = b.new_page(viewport=dict(width=1200, height=1000))
    open_notebook(page, url, '08_sweep.ipynb')
    page.evaluate('document.querySelector(".jp-OutputArea .mnist-sgd").scrollIntoView()')
    sweep = page.locator('.jp-OutputArea .mnist-sgd').first
    image = sweep.locator('svg[data-row] image').first
    image.wait_for(state='visible', timeout=30_000)
    size = image.bounding_box()
    image.click(position=dict(x=size['width']*.5, y=size['height']*.55))
    page.wait_for_function('document.querySelectorAll(".jp-OutputArea .mnist-sgd .mnist-sgd [data-lr]").length > 0', timeout=30_000)
    chosen = float(sweep.locator('.mnist-sgd-lr input').first.input_value())
    opened = float(sweep.locator('.mnist-sgd [data-lr]').first.get_attribute('data-lr'))
    assert opened == pytest.approx(chosen, rel=.01) and sweep.locator('svg[data-row]').first.get_attribute('data-epoch') == '10'
    page.close()

def test_first_slider(site):
    "The first thing to move in lesson 01 follows a hand, and a key"
    url, b = site
    page = b.new_page(viewport=dict(width=1366, height=768))
    open_notebook(page, url, '01_init.ipynb')
    page.evaluate('document.querySelector(".jp-OutputArea .mnist-sgd").scrollIntoView()')
    handle, box = (lab(page).locator(part).first for part in ('.noUi-handle, .ui-slider-handle', 'input'))
    follows = """before => { const panel = document.querySelector(".jp-OutputArea .mnist-sgd"), draw = panel.querySelector("input").value;
        return draw != before && panel.querySelector(".mnist-sgd-status").innerText.startsWith(`Draw ${draw} `) }"""
    before = box.input_value()
    drag(page, handle, 60)
    page.wait_for_function(follows, arg=before, timeout=30_000)
    before = box.input_value()
    handle.focus(); page.keyboard.press('ArrowRight')
    page.wait_for_function(follows, arg=before, timeout=30_000)
    page.close()

def test_a_guess_in_a_row(site):
    "Where a number is guessed, the button that says so is beside the slider or right below it"
    url, b = site
    page = b.new_page(viewport=dict(width=1366, height=768))
    open_notebook(page, url, '02_loss.ipynb')
    button = page.get_by_role('button', name='this is my guess').first
    button.scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    assert button.evaluate("""b => { const slider = b.parentElement.querySelector(".mnist-sgd-number").getBoundingClientRect();
        return slider.width > 300 && b.getBoundingClientRect().top - slider.top < 60 }""")
    page.close()

def still_and_live(page):
    "Is a picture of a panel to be seen, is a live panel, and are there words about a missing model?"
    return page.evaluate("""() => {
        const seen = s => [...document.querySelectorAll(s)].some(e => e.offsetParent !== null && e.getBoundingClientRect().height > 10);
        return [seen('.sgd-still'), seen('.mnist-sgd'), document.body.innerText.includes('model not found')] }""")

@contextmanager
def opened(site, folder, name):
    "A copy of notebook `name`, run and saved: the page with it, and its path; at the end its kernel goes"
    url, b = site
    path = (folder/'nbs'/name).with_stem(f'copy_of_{Path(name).stem}')
    shutil.copy(root/'nbs'/name, path)
    page = b.new_page(viewport=dict(width=1200, height=900))
    open_notebook(page, url, path.relative_to(folder/'nbs').as_posix())
    page.evaluate('window.jupyterapp.commands.execute("docmanager:save")')
    page.wait_for_function('!window.jupyterapp.shell.currentWidget.context.model.dirty')
    yield page, path
    page.evaluate('window.jupyterapp.shell.currentWidget.sessionContext.shutdown()')
    page.close()

def test_saved_and_opened_again(site, folder):
    "A live panel hides its picture; where the kernel that made it is gone, the picture stands in its place"
    with opened(site, folder, 'panels/init.ipynb') as (page, path):
        page.locator('.mnist-sgd').first.wait_for(state='visible', timeout=30_000)
        page.wait_for_timeout(1000)
        assert still_and_live(page) == [False, True, False]
        page.evaluate('window.jupyterapp.shell.currentWidget.sessionContext.shutdown()')
        page.wait_for_timeout(1500)
        saved = path.read_text(encoding='utf-8')
        assert 'widget-view' in saved and 'sgd-still' in saved
        page.goto(f'{site[0]}/lab/tree/nbs/{path.relative_to(folder/"nbs").as_posix()}?reset')
        page.locator('.sgd-still').first.wait_for(state='visible', timeout=60_000)
        page.wait_for_timeout(5000)                      # until the widgets would have been restored
        assert still_and_live(page) == [True, False, False]

def metadata(nb): return nb['metadata'], [c['metadata'] for c in nb['cells']]

@pytest.mark.parametrize('name', ['misconceptions.ipynb', 'panels/init.ipynb'])
def test_saving_leaves_no_trace(site, folder, name):
    """Opened, run and saved: no cell's metadata change, and of the notebook's only what `nbdev-clean` takes away again

    JupyterLab notes the kernel's name for people and the version of Python. No committed notebook can have the latter
    right on every machine, so neither is committed.
    """
    with opened(site, folder, name) as (_, path): pass
    saved, committed = (json.loads(p.read_text(encoding='utf-8')) for p in (path, root/'nbs'/name))
    assert any(c.get('execution_count') for c in saved['cells'])       # it was run, and this is what was saved
    assert metadata(saved)[1] == metadata(committed)[1]
    changed = {k for k in saved['metadata'] if saved['metadata'][k] != committed['metadata'].get(k)}
    assert changed == {'kernelspec', 'language_info'}
    subprocess.run(['nbdev-clean', '--fname', str(path)], check=True, capture_output=True, cwd=root)
    assert metadata(json.loads(path.read_text(encoding='utf-8'))) == metadata(committed)

def test_converted(site, tmp_path):
    "`nbconvert --execute` makes a page with the picture in it, without a network"
    subprocess.run([sys.executable, '-m', 'nbconvert', '--execute', '--to', 'html', '--output-dir', str(tmp_path), str(root/'nbs'/'panels'/'init.ipynb')],
                   check=True, capture_output=True, cwd=tmp_path)
    page = site[1].new_page(viewport=dict(width=1200, height=900))
    page.route(re.compile('^https?:'), lambda route: route.abort())
    page.goto((tmp_path/'init.html').as_uri(), wait_until='domcontentloaded')
    page.locator('.sgd-still').first.wait_for(state='visible', timeout=30_000)
    assert still_and_live(page) == [True, False, False]
    page.close()
