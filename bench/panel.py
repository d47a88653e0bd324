"""How the lab feels under a hand: `python bench/panel.py [--quick]`, in a headless Chromium, about a quarter of an hour

Opens the lab in a JupyterLab of its own, plays a hand that never rests, and writes the table to bench/PANEL.md.
Training in the lab runs on one thread.
"""
import random, statistics, sys, tempfile, time
from argparse import ArgumentParser
from importlib.metadata import version
from pathlib import Path
import nbformat

root = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root/'tests'))
from jupyter_page import browser, jupyterlab, open_notebook
from tables import machine, processor, Table

cells = ['import os, threading, time, torch\nfrom mnist_sgd.live import Lab\nfrom mnist_sgd.panels.live import Mystery\nlab = Lab("lr=1, epochs=40")\nlab',
         'mystery = Mystery(lab.data)\nmystery',
         '''from mnist_sgd.runs.engine import run
from mnist_sgd.runs.recipe import parse_recipe
def alone(recipe):
    "Milliseconds to compute a recipe's records, on one thread as in the lab"
    threads, start = torch.get_num_threads(), time.perf_counter()
    torch.set_num_threads(1)
    for _ in run(parse_recipe(recipe), lab.data): pass
    torch.set_num_threads(threads)
    return (time.perf_counter() - start)*1000
def frame():
    "Milliseconds and bytes of a frame, five ghosts beside it"
    times = []
    for _ in range(50):
        start = time.perf_counter(); text = lab.svg(lab.state); times.append((time.perf_counter() - start)*1000)
    return sorted(times)[25], len(text)
def footprint():
    "Resident memory in MB, and threads"
    pages = int(open('/proc/self/statm').read().split()[1]) if os.path.exists('/proc/self/statm') else 0
    return pages*os.sysconf('SC_PAGE_SIZE')/1e6, threading.active_count()''']

ask_kernel = '''async (code) => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel; let text = "";
    const future = kernel.requestExecute({code, store_history: false});
    future.onIOPub = m => { if (m.content.text) text += m.content.text; if (m.content.evalue) text += m.content.evalue };
    await future.done; return text }'''

first = 'document.querySelectorAll(".jp-OutputArea .mnist-sgd")[0]'
second = 'document.querySelectorAll(".jp-OutputArea .mnist-sgd")[1]'

key_to_pixels = f'''async () => {{
    const panel = {second}, input = panel.querySelector(".mnist-sgd-batch input"), times = [];
    const picture = panel.querySelector("[data-batch]").parentElement;
    for (let i = 0; i < 40; i++) {{
        const start = performance.now();
        const changed = new Promise(done => {{ const o = new MutationObserver(() => {{ o.disconnect();
            requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start))) }});
            o.observe(picture, {{childList: true, subtree: true}}) }});
        input.value = 1 + i; input.dispatchEvent(new Event("change", {{bubbles: true}}));
        times.push(await changed); await new Promise(r => setTimeout(r, 120)) }}
    return times }}'''

hand = f'''async ([events, pause]) => {{
    const panel = {first}; let last;
    for (const [name, value] of events) {{
        const c = panel.querySelector(`.mnist-sgd-${{name}} input, .mnist-sgd-${{name}} select`);
        if (c.type == "checkbox") c.click();
        else {{ c.value = value; c.dispatchEvent(new Event("change", {{bubbles: true}})) }}
        last = performance.now(); await new Promise(r => setTimeout(r, pause)) }}
    window.lastEvent = last }}'''

settled = f'''(recipe) => {{ const s = {first}.querySelector("[data-recipe]"), stop = [...{first}.querySelectorAll("button")]
    .find(b => b.innerText == "stop");
    return !stop.classList.contains('mod-warning') && s.dataset.recipe == recipe && performance.now() }}'''

def measure(page, quick):
    def ask(code): return page.evaluate(ask_kernel, code)
    def numbers(code): return [float(x) for x in ask(f'print(*{code})').split()]
    def line(recipe):
        box = page.locator('.mnist-sgd').first.get_by_label('recipe')
        box.fill(recipe); box.press('Enter')
        page.wait_for_function(settled, arg=recipe, polling=20, timeout=120_000)
    rows, rng = [], random.Random(0)

    rows.append(('one key press to changed pixels, no training', f'{statistics.median(page.evaluate(key_to_pixels)):.0f} ms', '60 ms'))

    waits = []
    for i in range(3 if quick else 9):
        line('lr=1, epochs=40')
        lrs = [round(.5 + .05*k + .001*i, 3) for k in range(30)]
        compute = statistics.median(numbers(f'[alone("lr={lrs[-1]}, epochs=40") for _ in range(3)]'))
        page.evaluate(hand, [[['lr', lr] for lr in lrs], 33])
        at = page.wait_for_function(settled, arg=f'lr={lrs[-1]:g}, epochs=40', polling='raf', timeout=60_000).json_value()
        waits.append((at - page.evaluate('window.lastEvent'), compute))
    wait, compute = (statistics.median(x) for x in zip(*waits))
    rows.append(('30 events in a second, 40 epochs: last event to final curve', f'{wait:.0f} ms (the 40 epochs alone: {compute:.0f} ms)',
                 f'{1.5*compute + 150:.0f} ms'))

    line('lr=1, epochs=5')
    stale, before, repeats = 0, None, 2 if quick else 20
    for i in range(repeats):
        state = dict(lr=1., epochs=5, shuffle=False, momentum=0., seed=42)
        line('lr=1, epochs=5')
        events = []
        for _ in range(1000):
            name = rng.choice(('lr', 'epochs', 'shuffle', 'momentum', 'seed'))
            value = {'lr': lambda: round(10**rng.uniform(-2, 2), 3), 'epochs': lambda: rng.randint(1, 30), 'shuffle': lambda: not state['shuffle'],
                     'momentum': lambda: round(rng.uniform(0, .9), 2), 'seed': lambda: rng.randint(0, 50)}[name]()
            state[name] = value
            events.append([name, value])
        ask('from mnist_sgd.runs.recipe import Recipe, recipe_text')
        wanted = ask(f'print(recipe_text(Recipe(**{state!r})))').strip()
        page.evaluate(hand, [events, 25])
        try: page.wait_for_function(settled, arg=wanted, polling=50, timeout=60_000)
        except Exception: stale += 1
        if i == 0: before = numbers('footprint()')  # after the first storm: pools and caches are as large as they get
    after = numbers('footprint()')
    rows.append((f'1,000 events in 30 seconds, random controls, {repeats} times: stale at the end', f'{stale}', '0'))
    rows.append(('memory and threads of the kernel, after the first storm and after the last',
                 f'{before[0]:.0f} MB, {before[1]:.0f}; {after[0]:.0f} MB, {after[1]:.0f}', 'the same'))

    box = page.locator('.mnist-sgd .mnist-sgd-epochs input').first
    box.fill('5000'); box.press('Enter')
    times = []
    for _ in range(40):
        start = time.perf_counter(); ask('1'); times.append((time.perf_counter() - start)*1000); time.sleep(.05)
    still = page.evaluate(f'[...{first}.querySelectorAll("button")].find(b => b.innerText == "stop").classList.contains("mod-warning")')
    page.locator('.mnist-sgd button', has_text='stop').first.click()
    rows.append(('another cell during a run answers' + ('' if still else ' (the run had ended)'), f'{statistics.median(times):.0f} ms', '100 ms'))
    page.wait_for_timeout(2000)

    for lr in (2, 3, 4, 5, 6): line(f'lr={lr}, epochs=40')
    ms, size = numbers('frame()')
    rows.append(('a frame of 40 epochs with five ghosts', f'{ms:.1f} ms of Python, {size:.0f} bytes', '3 ms, 16,000 bytes'))
    return rows

def main():
    parser = ArgumentParser(description=__doc__)
    parser.add_argument('--quick', action='store_true', help='fewer repeats, two minutes')
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as folder, jupyterlab(Path(folder)) as url, browser() as b:
        nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
        nb.metadata['kernelspec'] = dict(name='python3', display_name='python3', language='python')
        nbformat.write(nb, Path(folder)/'nbs/bench.ipynb')
        page = b.new_page(viewport=dict(width=1300, height=1400))
        open_notebook(page, url, 'bench.ipynb')
        page.locator('.mnist-sgd [data-recipe]').first.wait_for(timeout=60_000)
        page.wait_for_timeout(3000)
        rows = measure(page, quick)
    versions = ', '.join(f'{p} {version(p)}' for p in ('ipywidgets', 'ipykernel', 'jupyterlab'))
    table = Table()
    table.say(f'{versions}; {machine()}. Written by `python bench/panel.py{" --quick" if quick else ""}`: medians, in a headless Chromium, all in one run.')
    table.say('\n| what | measured | must reach |\n| --- | --- | --- |')
    for row in rows: table.say(f'| {" | ".join(row)} |')
    table.keep('PANEL.md', f'How the lab feels under a hand: ipywidgets {version("ipywidgets").split(".")[0]}, on {processor()}')

if __name__ == '__main__': main()
