"""How fast the lab in a plain page is: `python bench/page.py [--quick]`, with Node and a headless Chromium

40 epochs in file order in Node and by the library's engine, in turn, in CPU time of the whole process; then events on
the lr slider until the first new pixels. Prints ratios; never a test.
"""
import json, statistics, subprocess, sys, tempfile, time
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from tables import machine
import torch

root = Path(__file__).resolve().parent.parent
sys.path.append(str(root/'tests'))
from jupyter_page import browser
from mnist_sgd.data import load_data
from mnist_sgd.lab.web import packed_digits, page_facts
from mnist_sgd.runs.engine import run
from mnist_sgd.runs.recipe import parse_recipe

# A line in, 40 epochs, a line out: milliseconds of CPU time, and images right at the end
in_node = '''
import { readFileSync } from "node:fs"; import { gunzipSync } from "node:zlib"; import { createInterface } from "node:readline"
const { run, unpack } = await import("./engine.js"), [file, sizes] = process.argv.slice(1)
const digits = unpack(gunzipSync(readFileSync(file)), JSON.parse(sizes))
for await (const line of createInterface({ input: process.stdin })) {
    const start = process.cpuUsage(); let right
    for (const record of run(JSON.parse(line), digits)) right = record.right
    const { user, system } = process.cpuUsage(start)
    console.log(JSON.stringify([(user + system)/1000, right])) }
'''

def engines(data, packed, recipe, rounds):
    "Milliseconds of CPU time in Node and in Python, `rounds` of each in turn after one that does not count"
    given = [packed, json.dumps(page_facts()['sizes'])]
    node = subprocess.Popen(['node', '--input-type=module', '-e', in_node, *given], cwd=root/'web', stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    def in_page():
        print(json.dumps(asdict(recipe)), file=node.stdin, flush=True)
        return json.loads(node.stdout.readline())
    def in_python():
        start = time.process_time()
        for record in run(recipe, data): last = record
        return 1000*(time.process_time() - start), round(last.accuracy*len(data.valid_x))
    found = [(in_page(), in_python()) for _ in range(rounds + 1)]
    node.stdin.close()
    node.wait()
    assert all(abs(mine[1] - its[1]) <= 1 for mine, its in found), 'the two do not come to the same end'
    return [[both[i][0] for both in found[1:]] for i in (0, 1)]

event_to_pixels = '''async (n) => {
    const bar = document.querySelector("#lr + input"), charts = document.querySelector("#charts"), times = []
    for (let i = 0; i < n; i++) {
        await new Promise(r => setTimeout(r, 400))
        bar.value = -1 + 2*Math.random()
        const start = performance.now()
        const drawn = new Promise(done => { const o = new MutationObserver(() => { o.disconnect()
            requestAnimationFrame(() => setTimeout(() => done(performance.now() - start))) }); o.observe(charts, { childList: true }) })
        bar.dispatchEvent(new Event("input")); times.push(await drawn) }
    return times }'''

def events(n):
    "Milliseconds from an event on the slider to the first new pixels"
    with tempfile.TemporaryDirectory() as folder, browser() as chrome:
        path = Path(folder)/'lab.html'
        subprocess.run([sys.executable, root/'web'/'build.py', path], check=True, stdout=subprocess.DEVNULL)
        page = chrome.new_page()
        page.goto(path.as_uri() + '#lr=1,epochs=40')
        page.wait_for_function('document.querySelector(".charts") && document.querySelector("#stop").disabled')
        return page.evaluate(event_to_pixels, n)

def main():
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='fewer rounds')
    rounds = 5 if parser.parse_args().quick else 15
    torch.set_num_threads(1)
    data = load_data('offline')
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder)/'digits'
        packed.write_bytes(packed_digits())
        for text, most in (('lr=1, epochs=40', 'at most 1.5'), ('lr=1, epochs=40, shuffle=on', 'no bound')):
            mine, its = engines(data, packed, parse_recipe(text), rounds)
            ratios = sorted(a/b for a, b in zip(mine, its))
            print(f'{text}: page {statistics.median(mine):.0f} ms, library {statistics.median(its):.0f} ms of CPU time; '
                  f'ratio {statistics.median(ratios):.2f}, from {ratios[0]:.2f} to {ratios[-1]:.2f} ({most})')
    times = sorted(events(2*rounds))
    print(f'event to first new pixels: {statistics.median(times):.0f} ms, at worst {times[-1]:.0f} '
          f'(at most 100 on a quiet machine: {statistics.median(times)/100:.2f} of it)')

if __name__ == '__main__': main()
