import pytest

def pytest_addoption(parser):
    parser.addoption('--ci', action='store_true', help='also the slow checks: the built wheel, clean and export, fresh kernels')
    parser.addoption('--orders', type=int, default=2, help='in how many orders of additions claims are tested (with --ci)')

longest = ['test_wheel', 'test_browser', 'test_claims', 'test_sources', 'test_ranks', 'test_damage', 'test_course', 'test_docs', 'test_shards',
           'test_orders', 'test_verdicts', 'test_cli', 'test_web']

def pytest_collection_modifyitems(config, items):
    # With `-n` a file goes to one process: the longest begin, so that none is left alone with one at the end
    items.sort(key=lambda item: longest.index(item.path.stem) if item.path.stem in longest else len(longest))
    if config.getoption('--ci'): return
    for item in items:
        if item.get_closest_marker('ci'): item.add_marker(pytest.mark.skip(reason='slow: run pytest --ci'))

def pytest_configure(config): config.addinivalue_line('markers', 'ci: slow checks, run with --ci')
