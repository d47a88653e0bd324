import pytest

def pytest_addoption(parser):
    parser.addoption('--ci', action='store_true', help='also the slow checks: the built wheel, clean and export, fresh kernels')
    parser.addoption('--orders', type=int, default=2, help='in how many orders of additions claims are tested (with --ci)')

def pytest_collection_modifyitems(config, items):
    if config.getoption('--ci'): return
    for item in items:
        if 'ci' in item.keywords: item.add_marker(pytest.mark.skip(reason='slow: run pytest --ci'))

def pytest_configure(config): config.addinivalue_line('markers', 'ci: slow checks, run with --ci')
