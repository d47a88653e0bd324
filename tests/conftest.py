import os, shutil, subprocess, sys, venv, zipfile
from email import message_from_string
from importlib.metadata import distribution
from pathlib import Path
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

root = Path(__file__).resolve().parent.parent

def pytest_addoption(parser):
    parser.addoption('--ci', action='store_true', help='also the slow checks: the built wheel, clean and export, fresh kernels')
    parser.addoption('--orders', type=int, default=2, help='in how many orders of additions claims are tested (with --ci)')

longest = ['test_fresh', 'test_browser', 'test_claims', 'test_sources', 'test_wheel', 'test_verdicts', 'test_ranks', 'test_damage', 'test_docs',
           'test_orders', 'test_shards', 'test_course', 'test_cli', 'test_web']

def pytest_collection_modifyitems(config, items):
    # With `-n` a file goes to one process: the longest begin, so that none is left alone with one at the end
    items.sort(key=lambda item: longest.index(item.path.stem) if item.path.stem in longest else len(longest))
    if config.getoption('--ci'): return
    for item in items:
        if item.get_closest_marker('ci'): item.add_marker(pytest.mark.skip(reason='slow: run pytest --ci'))

def pytest_configure(config): config.addinivalue_line('markers', 'ci: slow checks, run with --ci')

# The installed package

@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    d = tmp_path_factory.mktemp('wheel')
    source = d/'source'
    shutil.copytree(root, source, ignore=shutil.ignore_patterns('.git', '.venv', '*.egg-info', '__pycache__', 'node_modules', 'build', 'dist', 'tests'))
    subprocess.run([sys.executable, '-m', 'build', '--wheel', '--outdir', d, source], check=True)
    return next(d.glob('*.whl'))

def needs_of(told, extras=()):
    "Of what a distribution says it requires, what holds here and for `extras`"
    return [r for r in map(Requirement, told or []) if not r.marker or any(r.marker.evaluate(dict(extra=e)) for e in ('', *extras))]

def required(needs):
    "The distributions here that meet `needs`, with all that these need"
    found, asked = {}, list(needs)
    while asked:
        need = asked.pop()
        key = canonicalize_name(need.name), *sorted(need.extras)
        if key not in found:
            found[key] = distribution(need.name)
            asked += needs_of(found[key].requires, need.extras)
    return found.values()

@pytest.fixture(scope='module')
def install(wheel):
    """Function that installs into one environment; it returns the environment's Python

    What is required is taken over from here, file by file, by links (pip needs minutes to unpack it once more), and
    `pip check` finds out whether the wheel's own requirements are met by that.
    """
    env = wheel.parent/'env'
    venv.create(env)
    python = env/('Scripts' if sys.platform == 'win32' else 'bin')/'python'
    def pip(*args): subprocess.run([sys.executable, '-m', 'pip', '--python', python, *args], check=True)
    there = Path(subprocess.run([python, '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'], capture_output=True, text=True, check=True).stdout.strip())
    def install(told):
        for dist in required(needs_of(told)):
            for file in dist.files:
                source, place = Path(dist.locate_file(file)), there/file
                if '..' in file.parts or place.exists() or not source.is_file(): continue
                place.parent.mkdir(parents=True, exist_ok=True)
                try: os.link(source, place)
                except OSError: shutil.copy2(source, place)
        pip('check')
        return python
    pip('install', '-q', '--no-deps', '--no-index', wheel)
    return install

@pytest.fixture(scope='module')
def python(install, wheel):
    "Python of the environment, with the wheel and all that it requires"
    with zipfile.ZipFile(wheel) as z: told = next(z.read(n).decode() for n in z.namelist() if n.endswith('.dist-info/METADATA'))
    return install(message_from_string(told).get_all('Requires-Dist'))
