"""The lab as one file that needs nothing else: `python web/build.py` writes web/build/lab.html

Modules become functions that return what they export, in the order in which they import each other. The worker goes in
as text, and so do the redrawn digits: a page that is opened from a folder may fetch nothing.
"""
import json, re
from argparse import ArgumentParser
from base64 import b64encode
from pathlib import Path
from mnist_sgd.lab.web import packed_digits, page_facts

here = Path(__file__).resolve().parent
imports = re.compile(r"^import (\{[^}]*\}) from '\./(\w+)\.js'\n", re.M)
exports = re.compile(r'^export (?=(?:async )?(?:function\*?|class|const) (\w+))', re.M)


def joined(name, done=None):
    "The module `name` after all that it imports, as one script"
    done = set() if done is None else done
    source, parts = (here/f'{name}.js').read_text(encoding='utf-8'), []
    for _, other in imports.findall(source):
        if other not in done: parts.append(joined(other, done))
    done.add(name)
    body = exports.sub('', imports.sub(r'const \1 = \2_js\n', source))
    assert not re.search(r'^(import|export)\b', body, re.M), f'{name}.js: an import or export that is not understood'
    names = ', '.join(exports.findall(source))
    return '\n'.join([*parts, f'const {name}_js = (() => {{\n{body}\nreturn {{ {names} }}\n}})()'])

own_colors = dict(light=dict(paper='#fff', ink='#1c1c1c', rule='#6f6f6f', field='#f4f4f4', accent='#1b5fbd', warn='#9a5b00'),
                  dark=dict(paper='#16181c', ink='#e8e8e8', rule='#8c8c8c', field='#24272d', accent='#8ab4f8', warn='#ffb95e'))

def style(facts):
    "The style sheet, with the library's colours; `data-theme` of the body is light, dark, or auto: as the system has it"
    def rule(selector, theme):
        values = own_colors[theme] | {f'sgd-{name}': color for name, color in facts['colors'][theme].items()}
        return f'{selector} {{ color-scheme: {theme}; {"; ".join(f"--{name}: {color}" for name, color in values.items())} }}'
    dark = f'@media (prefers-color-scheme: dark) {{ {rule("body:not([data-theme=light])", "dark")} }}'
    sheet = (here/'lab.css').read_text(encoding='utf-8')
    return '\n'.join([rule('body', 'light'), dark, rule('body[data-theme=dark]', 'dark'), sheet])

def filled(name, **parts):
    "The file `name` with `parts` in the places that it names"
    template = (here/name).read_text(encoding='utf-8')
    return re.sub(r'<!-- ([A-Z]+) -->', lambda m: parts[m[1]], template)

def digits(): return b64encode(packed_digits()).decode()

def lab(digits):
    "The lab, to be put into a page that has its `style`; `digits` is a script element that brings the images"
    facts = page_facts()
    sizes = facts['sizes']
    scripts = dict(FACTS=json.dumps(facts), WORKER=joined('worker'), PAGE=joined('lab'))
    for name, text in scripts.items():
        assert not re.search(r'</(script|style)|<!--', text, re.I), f'{name} would end early'
    return filled('lab.html', **scripts, DIGITS=digits, TRAINED=f'{sum(sizes[:2]):,}', CHECKED=f'{sum(sizes[2:]):,}')

def page():
    "The text of a page that is nothing but the lab"
    inside = f'<script type="text/plain" id="digits">{digits()}</script>'
    return filled('page.html', STYLE=style(page_facts()), LAB=lab(inside))

def digits_file():
    "JavaScript that brings the images to the lab once it is loaded: the page is there before it, from a folder too"
    return f"Object.assign(document.getElementById('digits'), {{ textContent: '{digits()}' }}).dispatchEvent(new Event('ready'))\n"

def main(argv=None):
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('path', nargs='?', type=Path, default=here/'build'/'lab.html', help='where to write it')
    path = parser.parse_args(argv).path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(), encoding='utf-8')
    print(path)

if __name__ == '__main__': main()
