"""A class at work: a JupyterHub with thirty learners, each with the lab of lesson 07, as a table

    python bench/classroom.py                          # 30 learners, about ten minutes on 2 cores; 12 GB
    python bench/classroom.py --learners 3             # a quick look
    python bench/classroom.py --build OLD --build .    # two checkouts, one after the other

Kernels run on the Python that runs this, with the package of the checkout. JupyterHub can be in an environment of its own:

    python -m venv hub && hub/bin/pip install jupyterhub jupyter-server && npm install --prefix hub configurable-http-proxy
    python bench/classroom.py --hub hub

Everything listens on 127.0.0.1 only. Each learner's server is started, then all run the first cells of the lesson at once, up to the lab.
Then, somewhere within a minute, each drags lr, ten events in half a second, three times. What a browser would send goes through the
kernel's websocket, and what it would get is waited for. Images come from MNIST_SGD_DATA, and the cache is one for all, as
MNIST_SGD_CACHE has it. Whatever was started is stopped at the end, after errors too. Linux only: memory is read from /proc.
"""
import asyncio, json, os, random, re, secrets, shutil, signal, socket, statistics, subprocess, sys, tempfile, time, uuid
from argparse import ArgumentParser
from pathlib import Path
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

root = Path(__file__).resolve().parent.parent
minutes = 20                                               # at most, for a build
drags, events = 3, 10                                      # how often each learner drags lr, and how many events that is
patience = 240                                             # seconds that a learner waits for a curve

config = '''
import os
c.JupyterHub.bind_url = 'http://127.0.0.1:{public}'
c.JupyterHub.hub_bind_url = 'http://127.0.0.1:{hub}'
c.ConfigurableHTTPProxy.api_url = 'http://127.0.0.1:{proxy}'
c.ConfigurableHTTPProxy.command = [{command!r}]
c.JupyterHub.db_url = 'sqlite:///hub.sqlite'
c.JupyterHub.authenticator_class = 'dummy'
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = 'jupyterhub.spawner.SimpleLocalProcessSpawner'
c.SimpleLocalProcessSpawner.home_dir_template = {folder!r} + '/home/{{username}}'
c.SimpleLocalProcessSpawner.ip = '127.0.0.1'
c.Spawner.cmd = [{server!r}]
c.Spawner.args = ['--allow-root'] if os.geteuid() == 0 else []
c.Spawner.environment = {environment!r}
c.Spawner.start_timeout = c.Spawner.http_timeout = 300
c.JupyterHub.concurrent_spawn_limit = 0                     # beyond a limit it would refuse with 429
c.JupyterHub.services = [dict(name='bench', api_token={token!r})]
c.JupyterHub.load_roles = [dict(name='bench', services=['bench'], scopes=['admin:users', 'admin:servers', 'access:servers'])]
'''

# What is measured of a process

def memory(pid):
    "Private memory and proportional share, in MB"
    kb = {line.split(':')[0]: int(line.split()[1]) for line in Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()[1:]}
    return (kb['Private_Clean'] + kb['Private_Dirty'])/1024, kb['Pss']/1024

def stat(pid):
    "Parent, and seconds of CPU"
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return int(fields[1]), (int(fields[11]) + int(fields[12]))/os.sysconf('SC_CLK_TCK')

# A hub that leaves nothing behind

def free_ports(n):
    sockets = [socket.create_server(('127.0.0.1', 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets: s.close()
    return ports

def ours(mark):
    "Processes with `mark` in their environment: whatever descends from the hub, in sessions of their own as well"
    for p in Path('/proc').glob('[0-9]*'):
        try:
            if mark.encode() in (p/'environ').read_bytes(): yield int(p.name)
        except OSError: pass                               # it has ended, or is not ours to read

class Hub:
    "A JupyterHub on free ports, with everything it writes in one temporary folder"
    def __init__(self, programs, build):
        self.programs, self.build = programs, Path(build).resolve()
        self.starting = asyncio.Semaphore(4)               # servers that start at a time
        self.token, self.mark = secrets.token_hex(16), f'bench-{uuid.uuid4().hex}'

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix='classroom-', ignore_cleanup_errors=True)
        self.folder = Path(self.temporary.name)
        public, hub, proxy = free_ports(3)
        self.url = f'http://127.0.0.1:{public}'
        cache, kernel = str(self.folder/'cache'), self.folder/'jupyter'/'kernels'/'course'
        own = dict(MNIST_SGD_CACHE=f'{cache}/mnist_sgd', XDG_CACHE_HOME=cache, PYTHONPATH=str(self.build))
        if 'MNIST_SGD_DATA' in os.environ: own['MNIST_SGD_DATA'] = os.environ['MNIST_SGD_DATA']
        kernel.mkdir(parents=True)
        argv = [sys.executable, '-m', 'ipykernel_launcher', '-f', '{connection_file}']
        (kernel/'kernel.json').write_text(json.dumps(dict(argv=argv, display_name='course', language='python', env=own)))
        environment = dict(JUPYTER_PATH=str(self.folder/'jupyter'), JUPYTERHUB_SINGLEUSER_APP='jupyter_server.serverapp.ServerApp',
                           PATH=os.environ['PATH'], CLASSROOM_BENCH=self.mark)
        (self.folder/'config.py').write_text(config.format(public=public, hub=hub, proxy=proxy, folder=str(self.folder), token=self.token,
            command=self.programs['configurable-http-proxy'], server=self.programs['jupyterhub-singleuser'], environment=environment))
        one = [sys.executable, '-c', 'import matplotlib.font_manager; from mnist_sgd.data import load_data; load_data()']
        subprocess.run(one, env=os.environ | own, check=True, cwd=self.folder, stdout=subprocess.DEVNULL)   # as a teacher does before class
        self.log = open(self.folder/'hub.log', 'w')
        env = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'} | dict(CLASSROOM_BENCH=self.mark)
        self.process = subprocess.Popen([self.programs['jupyterhub'], '-f', 'config.py'], cwd=self.folder, env=env, stdout=self.log,
                                        stderr=subprocess.STDOUT, start_new_session=True)
        return self

    def __exit__(self, *error):
        self.process.send_signal(signal.SIGTERM)           # it stops servers, and they their kernels
        try: self.process.wait(30)
        except subprocess.TimeoutExpired: pass
        for sign in (signal.SIGTERM, signal.SIGKILL):
            for pid in ours(self.mark):
                try: os.kill(pid, sign)
                except ProcessLookupError: pass
            end = time.monotonic() + 10
            while any(ours(self.mark)) and time.monotonic() < end: time.sleep(.2)
        self.process.wait()
        self.log.close()
        if error[0]: print((self.folder/'hub.log').read_text()[-4000:], file=sys.stderr)
        self.temporary.cleanup()

    async def ask(self, path, method='GET', body=None):
        "JSON from the hub or a learner's server; raises what HTTP says"
        request = HTTPRequest(self.url + path, method, {'Authorization': f'token {self.token}'}, request_timeout=120,
                              body=json.dumps(body) if body is not None else None, allow_nonstandard_methods=True)
        answer = (await AsyncHTTPClient().fetch(request)).body
        return json.loads(answer) if answer else None

async def until(is_so, seconds, what):
    "Wait until `is_so()`, which may be asynchronous, gives something true, and return that; raises `TimeoutError`"
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = is_so()
        if asyncio.iscoroutine(found): found = await found
        if found: return found
        await asyncio.sleep(.02)
    raise TimeoutError(f'{what}: not within {seconds} s')

# A learner, as a browser has them

def lesson_cells(build):
    "Code of lesson 07 from its top to the lab"
    nb = json.loads((Path(build)/'nbs'/'07_live.ipynb').read_text(encoding='utf-8'))
    codes = [''.join(c['source']) for c in nb['cells'] if c['cell_type'] == 'code']
    last = next(i for i, code in enumerate(codes) if re.search(r'^lab = Lab\(', code, re.M))
    return codes[:last + 1]

class Learner:
    "A server, a kernel, and the widgets that a page would hold"
    def __init__(self, hub, name):
        self.hub, self.name = hub, name
        self.models, self.answers, self.pictures = {}, {}, []  # widgets by id; replies by message; (when, HTML) of the lab
        self.waits, self.error = [], None

    async def start(self):
        "Bring up the server and the kernel when it is their turn, and connect to it"
        async with self.hub.starting: await self.connect()

    async def connect(self):
        await self.hub.ask(f'/hub/api/users/{self.name}/server', 'POST')
        async def is_ready(): return ((await self.hub.ask(f'/hub/api/users/{self.name}'))['servers'].get('') or {}).get('ready')
        async def patient():
            await asyncio.sleep(.5)
            return await is_ready()
        await until(patient, 300, 'server')
        kernel = await self.hub.ask(f'/user/{self.name}/api/kernels', 'POST', dict(name='course'))
        self.session = uuid.uuid4().hex
        url = f'{self.hub.url}/user/{self.name}/api/kernels/{kernel["id"]}/channels?session_id={self.session}'
        self.socket = await websocket_connect(HTTPRequest(url.replace('http', 'ws', 1), headers={'Authorization': f'token {self.hub.token}'}),
                                              max_message_size=10**9)
        self.reading = asyncio.create_task(self.read())
        self.pid = int((await self.run('import os; print(os.getpid())')).strip())

    async def read(self):
        "Take in what the kernel says, as the widgets in a page do"
        while (raw := await self.socket.read_message()) is not None:
            if isinstance(raw, bytes): continue            # a message with buffers; the lab sends none
            message = json.loads(raw)
            kind, content, parent = message['header']['msg_type'], message['content'], message['parent_header'].get('msg_id')
            if kind == 'comm_open': self.update(content['comm_id'], content['data'].get('state', {}))
            elif kind == 'comm_msg' and content['data'].get('method') == 'update': self.update(content['comm_id'], content['data']['state'])
            elif parent in self.answers:
                answer = self.answers[parent]
                if kind == 'stream': answer['text'] += content['text']
                elif kind == 'error': answer['error'] = f"{content['ename']}: {content['evalue']}"
                elif kind == 'execute_reply': answer['replied'] = True
                elif kind == 'status' and content['execution_state'] == 'idle': answer['idle'] = True

    def update(self, comm, state):
        self.models.setdefault(comm, {}).update(state)
        html = state.get('value')
        if isinstance(html, str) and 'data-recipe' in html: self.pictures.append((time.monotonic(), html))

    def send(self, kind, **content):
        "A message to the kernel; returns its id"
        header = dict(msg_id=uuid.uuid4().hex, username='', session=self.session, msg_type=kind, version='5.3', date='')
        self.socket.write_message(json.dumps(dict(header=header, parent_header={}, metadata={}, content=content, channel='shell', buffers=[])))
        return header['msg_id']

    async def run(self, code, seconds=600):
        "What a cell prints; raises `RuntimeError` for its error"
        message = self.send('execute_request', code=code, silent=False, store_history=False, user_expressions={}, allow_stdin=False,
                            stop_on_error=True)
        answer = self.answers[message] = dict(text='')
        await until(lambda: answer.get('idle') and answer.get('replied'), seconds, 'cell')
        if 'error' in answer: raise RuntimeError(answer['error'])
        return answer['text']

    async def open_lab(self):
        "Run the lesson up to the lab; `first` is how many seconds that took to the first curve"
        begun = time.monotonic()
        for code in lesson_cells(self.hub.build): await self.run(code)
        await until(lambda: self.shows(1), 120, 'first curve')
        self.first = next(when for when, html in self.pictures if drawn(html)) - begun
        control = next(m for m in self.models.values() if 'mnist-sgd-lr' in m.get('_dom_classes', ()))
        self.bar = control['children'][1].removeprefix('IPY_MODEL_')

    def shows(self, lr):
        "Is the whole run of `lr` what is seen?"
        return bool(self.pictures) and drawn(self.pictures[-1][1]) == (f'{lr:g}', 20)

    async def drag(self):
        "Pull the slider through some of its steps from 0.1 to 2, and wait for the curve"
        for step in random.sample(range(-10, 4), events):  # each another one than before, as in a browser
            value = 10**(step/10)
            self.send('comm_msg', comm_id=self.bar, data=dict(method='update', state=dict(value=value), buffer_paths=[]))
            self.last, sent = float(f'{value:.3g}'), time.monotonic()
            await asyncio.sleep(.05)
        await until(lambda: self.shows(self.last), patience, f'curve of lr={self.last:g}')
        self.waits.append(self.pictures[-1][0] - sent)

    async def play(self):
        "Drag now and then within a minute"
        times = sorted(random.uniform(0, 55) for _ in range(drags))
        begun = time.monotonic()
        for when in times:
            await asyncio.sleep(max(0, begun + when - time.monotonic()))
            await self.drag()

def drawn(html):
    "Text of lr and the last epoch in a picture of a run, or None"
    lr, epoch = (re.search(rf'data-{name}="([^"]*)"', html) for name in ('lr', 'epoch'))
    return (lr[1], int(epoch[1])) if lr and epoch else None

async def attempt(learner, job):
    "Do `job`, unless something failed before; remember what goes wrong"
    if learner.error: return
    try: await job
    except Exception as e: learner.error = f'{type(e).__name__}: {e}'

async def together(learners, what):
    "The same for all at once"
    jobs = [(x, getattr(x, what)()) for x in learners if not x.error]
    await asyncio.gather(*(attempt(x, job) for x, job in jobs))

async def lesson(hub, n):
    "A class of `n` in `hub`; returns its learners, with what was measured"
    async def answers():
        if hub.process.poll() is not None: raise RuntimeError(f'jupyterhub ended with {hub.process.returncode}')
        await asyncio.sleep(.5)
        try: return await hub.ask('/hub/api/')
        except (OSError, HTTPClientError): return None     # the proxy answers before the hub does
    await until(answers, 120, 'hub')
    learners = [Learner(hub, f'learner-{i:02}') for i in range(n)]
    await hub.ask('/hub/api/users', 'POST', dict(usernames=[x.name for x in learners]))
    for what in ('start', 'open_lab', 'play'):
        begun = time.monotonic()
        await together(learners, what)
        print(f'  {what}: {time.monotonic() - begun:.0f} s, {sum(bool(x.error) for x in learners)} failed', flush=True)
    await asyncio.sleep(3)                                 # whatever is still under way arrives
    for x in learners:
        if x.error: continue
        (x.private, x.pss), (parent, x.cpu) = memory(x.pid), stat(x.pid)
        (x.server, _), x.is_stale = memory(parent), not x.shows(x.last)
    return learners

def table(learners):
    "Rows of name, figure and bar"
    good = [x for x in learners if not x.error]
    def both(values, unit, digits=0):
        if not values: return 'nobody got there'
        return f'median {statistics.median(values):.{digits}f}, worst {max(values):.{digits}f} {unit}'
    firsts, waits = [x.first for x in good], [w for x in good for w in x.waits]
    return [('failures', f'{len(learners) - len(good)} of {len(learners)}', '0'),
            ('stale curves at the end', str(sum(x.is_stale for x in good)), '0'),
            ('private memory of a kernel', both([x.private for x in good], 'MB'), 'at most 350 MB'),
            ('its proportional share (PSS)', both([x.pss for x in good], 'MB'), ''),
            ("private memory of a learner's Jupyter server", both([x.server for x in good], 'MB'), ''),
            ('from Run to the first curve, all at once', both(firsts, 's', 1), ''),
            ('worst of these to their median', f'{max(firsts)/statistics.median(firsts):.2f}' if firsts else '', 'at most 3'),
            ('last event to final curve, 20 epochs', both(waits, 's', 2), ''),
            ('CPU of a kernel', both([x.cpu for x in good], 's', 1), '')]

def programs(folder):
    "Paths of what this needs, in `folder` or where a shell would find it; ends with what to install"
    names = ('jupyterhub', 'jupyterhub-singleuser', 'configurable-http-proxy')
    places = [str(Path(folder)/'bin'), str(Path(folder)/'node_modules'/'.bin')] if folder else []
    os.environ['PATH'] = os.pathsep.join([*(os.path.abspath(p) for p in places), os.environ['PATH']])
    found = {name: shutil.which(name) for name in names}
    missing = [name for name, path in found.items() if not path]
    if missing: sys.exit(f"{' and '.join(missing)} not found. Install as the top of {__file__} says, and name the folder with --hub")
    return found

def main():
    parser = ArgumentParser(description='What a class costs on this machine')
    parser.add_argument('--learners', type=int, default=30, help='1 to 60')
    parser.add_argument('--build', action='append', help='checkout to measure, may be given again; by default this one')
    parser.add_argument('--hub', help='folder of an environment with jupyterhub, and node_modules with its proxy')
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))   # as Ctrl-C: what was started is stopped
    if not 1 <= args.learners <= 60: parser.error('--learners: give a number from 1 to 60')
    if not Path('/proc/self/smaps_rollup').exists(): sys.exit('This reads memory from /proc/PID/smaps_rollup: run it on Linux.')
    builds, found = args.build or [root], programs(args.hub)
    for build in builds:
        if not (Path(build)/'nbs'/'07_live.ipynb').exists(): parser.error(f'--build {build}: no checkout, nbs/07_live.ipynb is not there')
    columns, failed = [], []
    for build in builds:
        print(f'{build}: {args.learners} learners, load {os.getloadavg()[0]:.1f} before', flush=True)
        random.seed(0)
        with Hub(found, build) as hub: learners = asyncio.run(asyncio.wait_for(lesson(hub, args.learners), 60*minutes))
        columns.append(table(learners))
        failed += [f'{x.name}: {x.error}' for x in learners if x.error]
    print(f'\n| what | {" | ".join(map(str, builds))} | must be |\n| --- |{" --- |"*len(builds)} --- |')
    for rows in zip(*columns): print(f'| {rows[0][0]} | {" | ".join(r[1] for r in rows)} | {rows[0][2]} |')
    print(*failed, sep='\n')

if __name__ == '__main__': main()
