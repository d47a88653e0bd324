"A JupyterLab of its own, and notebooks in a headless Chromium"
import json, os, shutil, socket, subprocess, sys, time
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

root = Path(__file__).resolve().parent.parent
chromium = os.environ.get('CHROMIUM') or next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)


def _free_port():
    with socket.socket() as s: s.bind(('127.0.0.1', 0)); return s.getsockname()[1]

def _wait(ok, what, timeout=90):
    "Until `ok()` is true; an `OSError` counts as not yet"
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        try:
            if ok(): return
        except OSError: pass
        time.sleep(.2)
    raise TimeoutError(f'{what} took more than {timeout} s')

@contextmanager
def _serve(folder, module, *options):
    "Run the server `module` over a copy of the notebooks in `folder`, with settings of its own; yields its address"
    if not (folder/'nbs').exists(): shutil.copytree(root/'nbs', folder/'nbs', ignore=shutil.ignore_patterns('.*'))
    port = _free_port()
    private = {f'JUPYTER_{name}': str(folder/name.lower()) for name in ('CONFIG_DIR', 'DATA_DIR', 'RUNTIME_DIR')}
    private |= {f'JUPYTERLAB_{name}': str(folder/name.lower()) for name in ('SETTINGS_DIR', 'WORKSPACES_DIR')}
    with open(folder/f'{module}.log', 'w') as log:
        server = subprocess.Popen([sys.executable, '-m', module, '--no-browser', f'--port={port}', *options], env=os.environ | private, stdout=log, stderr=log)
        try:
            def up():
                if server.poll() is not None: raise RuntimeError((folder/f'{module}.log').read_text()[-2000:])
                with socket.create_connection(('127.0.0.1', port), 5): return True
            _wait(up, f'starting {module}')
            yield f'http://127.0.0.1:{port}'
        finally: server.terminate(); server.wait(20)

@contextmanager
def jupyterlab(folder):
    "Serve a copy of the notebooks from `folder` with JupyterLab; yields the address"
    root_user = ['--allow-root'] if hasattr(os, 'geteuid') and os.geteuid() == 0 else []
    with _serve(folder, 'jupyterlab', '--ServerApp.port_retries=0', '--IdentityProvider.token=', '--ServerApp.disable_check_xsrf=True',
                '--LabApp.expose_app_in_browser=True', f'--ServerApp.root_dir={folder}', *root_user) as url:
        _wait(lambda: urlopen(f'{url}/api/status', timeout=5).status == 200, 'the first answer of JupyterLab')
        yield url

@contextmanager
def voila(folder, name):
    "Serve notebook `name` from `folder` with Voila; yields the address"
    with _serve(folder, 'voila', str(folder/'nbs'/name)) as url: yield url

@contextmanager
def browser():
    "A headless Chromium"
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path=chromium, args=['--no-sandbox', '--disable-gpu', '--disable-background-networking'])
        try: yield b
        finally: b.close()

def open_notebook(page, url, name, timeout=180):
    "Open notebook `name`, run all of it, and wait until its kernel is idle"
    page.goto(f'{url}/lab/tree/nbs/{name}?reset')
    page.wait_for_function('window.jupyterapp && document.querySelector(".jp-NotebookPanel .jp-Cell")', timeout=60_000)
    def kernels(): return [s['kernel']['execution_state'] for s in json.load(urlopen(f'{url}/api/sessions', timeout=5)) if name in s['path']]
    _wait(lambda: kernels() == ['idle'], f'a kernel for {name}')
    page.evaluate('window.jupyterapp.commands.execute("notebook:run-all-cells")')
    def done():
        "Has every code cell run, up to the first error?"
        counts = page.evaluate('''[...window.jupyterapp.shell.currentWidget.model.cells]
            .filter(c => c.type == "code" && c.sharedModel.getSource().trim()).map(c => c.executionCount)''')
        return kernels() == ['idle'] and (all(counts) or '"output_type":"error"' in output_text(page))
    _wait(done, f'running {name}', timeout)

def output_text(page):
    "The text of all outputs, tracebacks too"
    return page.evaluate('''[...window.jupyterapp.shell.currentWidget.model.cells].filter(c => c.outputs)
        .map(c => JSON.stringify(c.outputs.toJSON())).join("\\n")''')
