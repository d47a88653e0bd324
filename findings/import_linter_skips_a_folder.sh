#!/bin/bash
# Guess: a contract of import-linter covers every .py file under the package that it names.
# What happens: a folder without __init__.py is left out, though Python imports from it. A forbidden import there is not seen, the
#   contract is KEPT, and only the count of files ("Analyzed 3 files") shows that one is missing.
# Why a learner cares: a new folder without that file works in every way, and the rule that guards the layers sleeps.
# Seen with import-linter 2.17 (grimp 3.20); grimp/adaptors/modulefinder.py
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --no-cache-dir --disable-pip-version-check import-linter==2.17 grimp==3.20
mkdir -p shop/core/part shop/screen
touch shop/__init__.py shop/core/__init__.py shop/screen/__init__.py
echo 'import shop.screen' > shop/core/part/bad.py
cat > .importlinter <<'INI'
[importlinter]
root_package = shop

[importlinter:contract:1]
name = the core knows no screen
type = forbidden
source_modules = shop.core
forbidden_modules = shop.screen
INI
export PYTHONPATH=.
env/bin/python -c 'import shop.core.part.bad'        # Python finds it
env/bin/python -c 'from importlib.metadata import version as v; print("import-linter", v("import-linter"), "with grimp", v("grimp"))'
lint() { env/bin/lint-imports --no-cache 2>&1 | grep -oE 'Analyzed [0-9]+ files|Contracts: .*' | paste -sd, || true; }
before=$(lint)
touch shop/core/part/__init__.py
after=$(lint)
echo "one would guess: Contracts: 0 kept, 1 broken."
echo "seen:            $before"
echo "with the file:   $after"
[[ $before == *'1 kept, 0 broken'* && $after == *'0 kept, 1 broken'* ]] || { echo 'import-linter behaves differently now'; exit 1; }
