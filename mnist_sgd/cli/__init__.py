"`python -m mnist_sgd.cli`: the command line of `mnist_sgd.runs.cli`"
