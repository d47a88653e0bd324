"Stochastic gradient descent by hand, on handwritten 3s and 7s"
from importlib.metadata import version

__version__ = version('mnist_sgd')  # settings.ini says it once
