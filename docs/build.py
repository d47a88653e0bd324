"""The course as a site, from the notebooks as they are committed: `python docs/build.py` writes docs/_site

Nothing is run but the library's import, and nothing is asked of a network. A warning is an error.
"""
import re, shutil, sys
from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory
from sphinx.cmd.build import build_main
from prepare import write_sources

here = Path(__file__).resolve().parent

def accessible(html):
    "What Sphinx leaves out: the level of the sidebar's headings, and a way to scroll code and formulas with the keyboard"
    for tag, more in (('<p class="caption" role="heading">', ' aria-level="2"'), ('<div class="highlight"><pre>', ' tabindex="0"'),
                      ('<div class="math-wrapper docutils container">', ' tabindex="0"')):
        html = html.replace(tag, tag[:-1] + more + '>')
    return html

plain = 'n', 'p'                                         # most names, and punctuation: coloured as all code is
uncolored = re.compile(rf'<span class="(?:{"|".join(plain)})">([^<]*)</span>')

def build(site):
    "Write the site into the folder `site`, which is emptied first; raises `SystemExit` where Sphinx warns"
    shutil.rmtree(site, ignore_errors=True)
    write_sources(here/'_source')
    with TemporaryDirectory() as trees:
        code = build_main(['-q', '-W', '--keep-going', '-E', '-c', str(here), '-d', trees, str(here/'_source'), str(site)])
    if code: sys.exit(code)
    for file in site.rglob('*.map'): file.unlink()       # of furo's own sources, for its authors
    for page in site.rglob('*.html'): page.write_text(uncolored.sub(r'\1', accessible(page.read_text(encoding='utf-8'))), encoding='utf-8')
    (site/'.nojekyll').touch()                           # GitHub Pages would leave out folders that begin with _

def main(argv=None):
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('site', nargs='?', type=Path, default=here/'_site', help='where to write it')
    site = parser.parse_args(argv).site
    build(site)
    print(site)

if __name__ == '__main__': main()
