"Sphinx's settings; `python docs/build.py` uses them"
import re
from configparser import ConfigParser
from pathlib import Path
from docutils.nodes import SkipNode
from fastcore.docments import docments
from latex2mathml.converter import convert

config = ConfigParser(delimiters='=', interpolation=None)
config.read(Path(__file__).parent.parent/'settings.ini', encoding='utf-8')
cfg = config['DEFAULT']

project, author, release = cfg['name'], cfg['author'], cfg['version']
html_title = project
extensions = ['myst_nb', 'sphinx.ext.autodoc']
nb_execution_mode = 'off'
nb_code_prompt_show, nb_code_prompt_hide = 'Show the code', 'Hide the code'
nb_mime_priority_overrides = [('html', 'application/vnd.jupyter.widget-view+json', None)]
myst_enable_extensions = ['dollarmath', 'colon_fence']
myst_heading_anchors = 3
default_role = 'literal'
autodoc_member_order = 'bysource'
toc_object_entries = False

html_theme = 'furo'
html_static_path = ['_source/_static']
html_css_files = ['site.css']
html_copy_source = html_show_sourcelink = html_show_sphinx = html_show_copyright = False
html_use_index = html_domain_indices = False           # no page links there: the search finds more
html_math_renderer = 'mathml'


def add_comments(app, what, name, obj, options, lines):
    "Put the comment behind each parameter, which says what it is, below the docstring"
    def plain(text):                                     # as reStructuredText, which the library's comments are not
        return re.sub(r'(`[^`]*`)(?=(\w?))|([*|\\]|_(?=\W|$))', lambda m: m[1] + '\\ '*bool(m[2]) if m[1] else '\\' + m[3], ' '.join(text.split()))
    lines[:] = [plain(line) if line.strip() else line for line in lines]
    if what not in ('function', 'method', 'class'): return
    said = {n: d for n, d in docments(obj).items() if d and n not in ('self', 'cls')}
    lines += [''] + [f':returns: {plain(d)}' if n == 'return' else f':param {n}: {plain(d)}' for n, d in said.items()]

def setup(app):
    def math(display):
        def visit(self, node):
            self.body.append(convert(node.astext(), display=display))
            raise SkipNode
        return visit, None
    app.add_html_math_renderer('mathml', math('inline'), math('block'))   # no script of another site
    app.connect('autodoc-process-docstring', add_comments)
