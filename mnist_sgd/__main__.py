"`python -m mnist_sgd`, where the shell does not find the command `mnist_sgd`"
import sys
from .runs.cli import main

sys.exit(main())
