"Stochastic gradient descent by hand, on handwritten 3s and 7s"
from importlib.metadata import PackageNotFoundError, requires, version
from packaging.requirements import Requirement

__version__ = version('mnist_sgd')  # settings.ini says it once

def _check_versions():
    "Raise `ImportError` for a package that is older than settings.ini asks for"
    for needed in map(Requirement, requires('mnist_sgd')):
        if not needed.specifier: continue
        if needed.marker and not needed.marker.evaluate(dict(extra='')): continue
        try: found = version(needed.name)
        except PackageNotFoundError: continue  # its own import says so
        if not needed.specifier.contains(found, prereleases=True):
            raise ImportError(f"mnist_sgd needs {needed}, and version {found} is installed: "
                              f"run pip install -U '{needed}' "
                              "and restart Python (or the notebook's kernel)")

_check_versions()
