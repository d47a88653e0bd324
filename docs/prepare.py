"""The notebooks and what stands around them, as Sphinx wants to read it

nbdev's directives, the cells that it hides and the one that installs the course mean nothing to a reader of the site;
`fit` takes them out, and folds what is folded in Jupyter. `write_sources` puts it all into one folder.
"""
import importlib.util, io, json, os, re, shutil
from base64 import b64decode, b64encode
from pathlib import Path
import nbformat
from PIL import Image

root = Path(__file__).resolve().parent.parent

def _module(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

tool, web = _module(root/'tools'/'notebooks.py'), _module(root/'web'/'build.py')
link = re.compile(r'(?<!!)\[([^\]]*)\]\(([^)\s]+)\)')


# One notebook

def home():
    "Where the project is on the web, or '' while settings.ini has a placeholder"
    cfg = tool.settings()
    return '' if cfg['user'] == 'OWNER' else f"https://github.com/{cfg['user']}/{cfg['repo']}"

def relink(text, name):
    "`text` of the notebook `name` with links that lead somewhere in the site, or to the project's home, or are plain words"
    def relinked(m):
        words, target = m.groups()
        if re.match(r'\w+:|#', target): return m[0]
        path, _, place = target.partition('#')
        file = os.path.normpath(Path('nbs', name).parent/path)
        if not (root/file).exists(): raise ValueError(f'{name}: the link to {target} leads nowhere')
        if file == 'nbs/index.ipynb': return f"[{words}]({os.path.relpath('index.md', Path(name).parent)})"
        if file.startswith('nbs/') and file.endswith('.ipynb'): return m[0]
        return f"[{words}]({home()}/blob/{tool.settings()['branch']}/{file}{place and '#' + place})" if home() else words
    return link.sub(relinked, text)

def badges(name):
    "Links to the notebook where it runs: words in place of images that another site would have to send"
    if not home(): return ''
    return ' · '.join(re.findall(r'\[[^\]]*\]\([^)]*\)', re.sub(r'\[!(\[[^\]]*\])\([^)]*\)\]', r'\1', tool.badge_text(name))))

longest = 20_000                                         # characters of an output: some ten screens

def in_256_colors(png):
    "`png`, or the same in 256 colours where that takes fewer bytes, as it does for nearly every chart: 40 percent of them"
    file = io.BytesIO()
    Image.open(io.BytesIO(png)).convert('RGB').quantize(256).save(file, 'png', optimize=True)
    return min(png, file.getvalue(), key=len)

def lighter(output):
    "`output` without what no one would scroll through, numbers printed by the thousand, and with images of a page's weight"
    data = {kind: v for kind, v in output.get('data', {}).items() if '.mnist_sgd.' not in kind}   # verdicts are for the report
    text = data.get('text/plain', '')
    if len(text) > longest: data['text/plain'] = text[:longest] + ' ...'
    if 'image/png' in data: data['image/png'] = b64encode(in_256_colors(b64decode(data['image/png']))).decode()
    return nbformat.NotebookNode(output | dict(data=data)) if data else output

def fit(nb, name):
    "The cells of the notebook `name` that a reader is to see, as myst-nb shows them"
    cells = []
    for cell in nb.cells:
        is_code = cell.cell_type == 'code'
        if cell.id == 'badges': source = badges(name)
        elif is_code: source = '' if re.search(r'^#\| *hide\b', cell.source, re.M) else re.sub(r'^#\|.*\n?', '', cell.source, flags=re.M)
        else: source = relink(cell.source, name)
        if not source.strip(): continue
        kept = cell.copy()
        kept.source, kept.metadata = source.strip('\n'), nbformat.NotebookNode()
        if is_code: kept.outputs = [lighter(output) for output in cell.outputs]
        if is_code and cell.metadata.get('jupyter', {}).get('source_hidden'): kept.metadata.tags = ['hide-input']
        cells.append(kept)
    title = next((i for i, c in enumerate(cells) if c.cell_type == 'markdown' and c.source.startswith('# ')), 0)
    cells.insert(0, cells.pop(title))                    # a page begins with its title
    return nbformat.v4.new_notebook(cells=cells, metadata=dict(language_info=dict(name='python')))


# What stands around them

lessons = [path.stem for path in tool.notebooks() if re.match(r'\d\d_', tool.name_of(path))]
beside = sorted(p.stem for p in tool.nbs.glob('*.ipynb') if p.stem not in lessons and p.stem != 'index')

def opening(lesson):
    "How many minutes `lesson` takes, and what one needs for it, as its first lines say; raises `ValueError` without them"
    text = '\n'.join(c.source for c in tool.read(tool.nbs/f'{lesson}.ipynb').cells if c.cell_type == 'markdown')
    found = re.search(r'\*\*(\d+) minutes\.\*\* You need (.*?)\. Afterwards', text)
    if not found: raise ValueError(f'nbs/{lesson}.ipynb: say "**40 minutes.** You need ... . Afterwards ..." below its title')
    return found.groups()

def numbered(lesson):
    "An entry of the sidebar: the number of `lesson`, and its title"
    title = next(c.source for c in tool.read(tool.nbs/f'{lesson}.ipynb').cells if c.source.startswith('# '))
    return f"{lesson[:2]} {title.splitlines()[0].removeprefix('# ')} <{lesson}>"

def toctree(caption, names):
    return f":::{{toctree}}\n:hidden:\n:caption: {caption}\n:maxdepth: 1\n\n" + '\n'.join(names) + '\n:::\n'

def index_parts():
    "The README's notebook by headings; its title and what follows has the name ''"
    text = '\n\n'.join(c.source for c in tool.read(tool.nbs/'index.ipynb').cells if c.cell_type == 'markdown' and c.id != 'badges')
    head, *sections = re.split(r'^## ', relink(text, 'index'), flags=re.M)
    return {'': head} | {s.split('\n')[0]: s.split('\n', 1)[1].strip() for s in sections}

def landing_page(parts):
    "One sentence, the lab, where to start, the map of lessons"
    title, sentence = re.match(r'# (.*)\n+> (.*)', parts['']).groups()
    before, table, *others = parts['The course'].split('\n\n')
    rows = [row.rstrip('| ') for row in table.split('\n')]
    extra = ['minutes | you need', '---: | ---', *(' | '.join(opening(lesson)) for lesson in lessons)]
    if len(rows) != len(extra): raise ValueError(f'nbs/index.ipynb: {len(rows) - 2} rows in the map, but {len(lessons)} lessons')
    table = '\n'.join(f'{row} | {more} |' for row, more in zip(rows, extra))
    return '\n\n'.join([
        f'---\nmyst: {{html_meta: {{description: {json.dumps(sentence)}}}}}\n---', f'# {title}', f'{sentence}.', '```{raw} html\n:file: lab.html\n```',
        f'**[Start here: lesson 00]({lessons[0]}.ipynb)**. Or [install the course](install.md), and run it on your own machine.',
        '## The course', before, table, *others,
        toctree('Lessons', map(numbered, lessons)), toctree('Beside the lessons', beside), toctree('The rest', ['install', 'behind', 'reference/index'])])

def tests_and_folders(parts):
    "The README's words on tests, and on the folders behind the lessons; raises `ValueError` where it says nothing on these"
    tests, begins, folders = parts['Tests, and the rest'].partition('Behind the lessons, ')
    if not begins: raise ValueError('nbs/index.ipynb: under "Tests, and the rest" no paragraph begins with "Behind the lessons, "')
    return tests, folders[0].upper() + folders[1:]

def packages():
    "The library's modules by folder; exercises are left out: their module holds the answers"
    found = {}
    for path in sorted((root/'mnist_sgd').rglob('*.py')):
        *folder, name = path.relative_to(root).with_suffix('').parts
        if not name.startswith('_') and folder[-1] != 'exercises': found.setdefault('.'.join(folder), []).append(name)
    taught = [lesson[3:] for lesson in lessons]
    found['mnist_sgd'].sort(key=taught.index)
    return found

def reference_page(package, names):
    "What the modules of a package export, from their docstrings and comments"
    def section(name):
        module = f'{package}.{name}'
        origin = re.search(r'File to edit: \S*?nbs/(\S+)\.ipynb', (root/(module.replace('.', '/') + '.py')).read_text(encoding='utf-8'))[1]
        return f'{module}\n{"-"*len(module)}\n\n.. automodule:: {module}\n   :members:\n\nFrom :doc:`/{origin}`.\n'
    return f'{package}\n{"="*len(package)}\n\n' + '\n'.join(map(section, names))

def write_sources(folder):
    "All that Sphinx reads, in `folder`, which is emptied first"
    shutil.rmtree(folder, ignore_errors=True)
    def write(name, text):
        (folder/name).parent.mkdir(parents=True, exist_ok=True)
        (folder/name).write_text(text.strip() + '\n', encoding='utf-8')
    names = [tool.name_of(path) for path in tool.notebooks() if path.stem != 'index']
    for name in names:
        nb = fit(tool.read(tool.nbs/f'{name}.ipynb'), name)
        write(f'{name}.ipynb', nbformat.writes(nb))
    parts, folded = index_parts(), [n for n in names if '/' in n]
    write('index.md', landing_page(parts))
    rest, behind = tests_and_folders(parts)
    write('install.md', f"# Install\n\n{parts['Install']}\n\n{rest}")
    write('behind.md', f"# Behind the lessons\n\n{behind}\n\n{toctree('Behind the lessons', folded)}")
    for package, modules in packages().items(): write(f'reference/{package}.rst', reference_page(package, modules))
    write('reference/index.md', '# The library\n\nEvery public name, package by package.\n\n' +
          ':::{toctree}\n:maxdepth: 2\n\n' + '\n'.join(packages()) + '\n:::')
    write('lab.html', web.lab('<script type="text/plain" id="digits"></script>\n<script async src="_static/digits.js"></script>'))
    write('_static/digits.js', web.digits_file())
    write('_static/site.css', web.style(web.page_facts()) + (root/'docs'/'site.css').read_text(encoding='utf-8'))
