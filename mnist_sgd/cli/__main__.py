"`python -m mnist_sgd.cli` does what the command `mnist_sgd` does"
import sys
from mnist_sgd.runs.cli import main

if __name__ == '__main__': sys.exit(main())
