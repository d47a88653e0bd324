"The prose is English as it is spoken: no phrase in the word order of another language, no word for two things"
import re
import pytest
from test_project import each_notebook, root, tool

# What to look for (a regular expression; text in backticks is read as `_`), what to write instead, and a sentence that has it
turned = [
    # Word order
    (r'\bso it is for\b',                       'the other exercises work the same way', 'It gives a hint; so it is for the others.'),
    (r'\ba hint, up to\b',                      'up to three hints',                'It gives a hint, up to three of them.'),
    (r'\bcheck that fails says\b',              'a failed check says',              'A check that fails says which mistake it sees.'),
    (r'\bwhat do \w+ do that\b',                'what happens with ...?',           'And what do weights do that are ten times as wide?'),
    (r'\b[Hh]ow many \w+ has\b',                'how many ... does ... have',       'How many parameters has a net with one layer?'),
    (r'\bsays in which\b',                      'says which',                       'A line at the top says in which of the files.'),
    (r'\b(?:one|sevens) ha(?:s|ve) not\b',      'does not, lack',                   'Two have a sigmoid; the squared one has not.'),
    (r'(?:^|[.;:] |\b[Aa]nd )[Ww]ho wants\b',   'if you want',                      'Who wants to keep it names a file.'),
    (r'\b[Ww]hoever\b',                         'anyone who, if you',               'Whoever builds on it should know.'),
    (r'\bit is this\b|\bis this: \d',           'this is ...',                      'To you it is this.'),
    (r'\b(?:is|are|be) told (?:in|of|so|once|that)\b', 'is explained in, is reported, gets a message', 'Why that is so is told in lesson 04.'),
    (r'\btold otherwise\b',                     'by default',                       'It weights them when it is not told otherwise.'),
    (r'\bTo (?:errors|those) .{0,60}\bthere are\b', 'errors that ... have messages of their own', 'To errors that lessons provoke there are words.'),
    (r'\bof the module `',                      'from `module`',                    'Call it with a name of the module `loss`.'),
    (r'\b[Oo]ther \w+ than ours it\b',          'it refuses ... other than ours',   'Other batches than ours it refuses.'),
    # Phrases of another language
    (r'\bnothing is in the way\b',              'you can carry on',                 'Until then nothing is in the way.'),
    (r'\bin the mean\b(?! time)',               'on average',                       'How far off are they, in the mean?'),
    (r'\bha(?:s|ve) to know of\b',              'need to know about',               'It is a feature that you have to know of.'),
    (r'\b[Ll]eaves? (?:\w+ )*away\b',           'leave off, leave out',             'Leave away the brackets.'),
    (r'\bwords of ours?\b',                     'messages of their own',            'For these errors there are words of ours.'),
    (r'\bwithout a word\b|\bnothing is said\b', 'silently',                         'A run on the old ones would be wrong without a word.'),
    (r'\bof other courses stay\b',              'do not copy ... from other courses', 'Text of other courses stay where they are.'),
    (r'\bOne run is no run\b',                  'one run proves nothing',           'One run is no run, so here are five.'),
    (r'\bin the head\b',                        'in your head',                     'Three are few enough to do in the head.'),
    (r'\b[Mm]ost times\b',                      'usually',                          'It is most times a small drawing.'),
    (r'\bcan(?:not)? be had\b',                 'is (not) available, is out of reach', 'Where MNIST cannot be had, others take its place.'),
    (r'\bstand-in\b',                           'placeholder',                      'The name is a stand-in.'),
    (r'\bunder a hand\b',                       'under your hand',                  'How does it feel under a hand?'),
    (r'\b(?:rounded|[Cc]ounted|written) otherwise\b', 'differently',                'The same run rounded otherwise.'),
    (r'\banew\b',                               'again, afresh, re-...',            'A damaged file is built anew.'),
    (r'\bplays (?:another|the other)\b',        'imitates',                         'It plays another computer on yours.'),
    (r'\bto be gained\b',                       'to gain',                          'A steep slope says: something is to be gained here.'),
    (r'\btells of\b',                           'reveals, shows',                   'A first loss that is far off tells of a mistake.'),
    (r'\bseen to its end\b|\bwhile it goes\b',  'reached its end, during',          'A run that is seen to its end is kept.'),
    (r'\b[Tt]urn(?:ed)? (?:the sign )?around\b', 'flip the sign',                   'Turn the sign around, and it points down.'),
    (r'\bkeep the account of\b',                'keep track of',                    'Three more lines keep the account of the loss.'),
    (r'\bkeeps? one scale\b',                   'share one scale',                  'Both keep one scale, so a paler one is smaller.'),
    (r'\bThe forgetting\b',                     'forgetting',                       'The forgetting comes after the step.'),
    (r'\b(?:for|with|helps|moves) nobody\b|\bnobody (?:can|outside|told)\b', 'no one; or a sentence without a person', '"NaN" alone helps nobody.'),
    (r'\b(?:for|to|nearly) everybody\b',        'everyone',                         'What holds for everybody is a band.'),
    (r'(?<!no )\bone (?:finds|wants|likes|sees|can tell)\b', 'you',                 'It is what one wants in a valley.'),
    (r'\bwants (?:an? |one more|floats|[\d,]{3,})', 'needs, expects',               'The last of them wants an error.'),
    # Small words
    (r'\b(?:one|once|an?) (?:(?!is |was |has |of |as )[a-z]+ )?an? (?:image|epoch|row|batch|step|tensor|parameter|pixel|number|cell|lesson)\b', 'one ... per ...', 'It gives one number an image, and moves once a batch.'),
    (r'\bequally (?:large|long)\b',             'the same size, the same length',   'The four batches are equally large.'),
    (r'\balso (?:where|when|between|ours)\b|, also ours\b', 'even where, including ours', 'It is exact also when the last batch is shorter.'),
    (r'\bnot touched\b',                        'untouched',                        'It is imported and not touched.'),
    (r'(?<!here )\b(?:is|was) no (?:leaf|image|number|work|imitation)\b', 'is not a ...', 'After that it is no leaf.'),
    (r'\bno \w+ any ?more\b',                   'no longer',                        'It ends because they are no numbers any more.'),
    (r'\bsays? of (?:the|a|every)\b|\bsame thing of\b', 'says about',               'Here is what they say of the healthy loop.'),
    (r'\b(?:digits|points) of ten\b|\bof 100 digits\b', 'out of ten, in a hundred', 'It has nine digits of ten right.'),
    (r'\bwith no (?:kernel|network)\b',         'without a kernel',                 'For a reader with no kernel it is drawn.'),
    (r'\bstands? (?:in|under|below|on|beside) (?:\[|the |its |each |a notebook)', 'is in, is under', 'The rest stands in a notebook of its own.'),
    (r'\bWhat is (?:damaged|dragged|typed|cached|right)\b', 'name the thing: a damaged file ...', 'What is damaged is refused.'),
    # Words of the field
    (r'\bgradients downwards\b|\bvelocities downwards\b|\bby `_` gradients\b', 'downhill, by `lr` times the gradient', 'Move each by `lr` gradients downwards.'),
    (r'\bproducts? of matrices\b',              'matrix product',                   'They are judged in a single product of matrices.'),
    (r'\bnumbers? of Python\b',                 'Python number',                    'It becomes a number of Python.'),
    (r'\bway back through a\b',                 'backward pass',                    'The way back through a layer is the same.'),
    (r'\bsize of a batch\b',                    'batch size',                       'Another size of a batch adds up otherwise.'),
    (r'\bof powers of ten\b',                   'logarithmic',                      'The scale is one of powers of ten.'),
    (r'\bhidden numbers\b',                     'hidden units',                     'It goes through 30 hidden numbers to a score.'),
    (r'\b(?:called|answered) rightly\b',        'classified correctly',             'Count those that are called rightly.'),
    (r'\bplain mean of the batches\b',          'plain mean over the batches',      'Take the plain mean of the batches.'),
    (r'\bwell-known (?:chapter|book)\b',        "fastai's book, chapter 4",         'It is the number that a well-known chapter prints.'),
    # A word for two things
    (r'\b[Pp]ictures?\b',                       'image (of a digit, of weights), chart, figure, panel', 'Each batch holds 256 pictures.'),
    (r'\b[Ss]hare (?:of|that)\b',               'fraction',                         'Accuracy is the share of digits that are right.'),
    (r'\bspread (?:of )?`_`|\bspreads\b',       'standard deviation',               'Draw weights with a spread of `std`.'),
    (r'\bbends\b|\b(?:gets a|no) bend\b',       'ReLU, nonlinearity',               'A line has no bend to fall behind.'),
]


def paragraphs(text):
    "Markdown as it is read: a line per paragraph, without fenced code, targets of links, names of files and what is in backticks"
    text = re.sub(r'`[^`\n]+`', '`_`', re.sub(r'^```.*?^```', '', text, flags=re.M | re.S))
    text = re.sub(r'\]\([^)]*\)', ']', re.sub(r'\[\w+(?:/\w+)+(?:\.\w+)?\]\(', '[_](', text))
    return [' '.join(p.split()) for p in re.split(r'\n\s*\n', text) if p.strip()]

def found(text):
    "A sentence for each turned phrase in Markdown `text`: what stands there, and what to write"
    return [f'"...{p[max(m.start()-40, 0):m.end()+40]}...": instead of "{m[0]}" write: {instead}'
            for p in paragraphs(text) for pattern, instead, _ in turned for m in re.finditer(pattern, p)]

@each_notebook
def test_notebook(path):
    cells = [c for c in tool.read(path).cells if c.cell_type == 'markdown' and c.id != 'badges']
    problems = [f'cell {c.id}: {problem}' for c in cells for problem in found(c.source)]
    assert not problems, '\n'.join(problems)

@pytest.mark.parametrize('name', ['README.md', 'CONTRIBUTING.md'])
def test_page(name):
    problems = found((root/name).read_text(encoding='utf-8'))
    assert not problems, '\n'.join(problems)


# The check is checked

def test_enough(): assert len(turned) >= 40 and len({pattern for pattern, *_ in turned}) == len(turned)

@pytest.mark.parametrize('pattern, instead, sentence', turned, ids=[sentence for *_, sentence in turned])
def test_phrase_is_seen(pattern, instead, sentence):
    "Each phrase is found in a sentence, also where a line breaks within it; what to write instead is not"
    for text in (sentence, sentence.replace(' ', '\n'), f'- {sentence}', f'A line before.\n\n| 1 | {sentence} |'):
        if '(?:^|' in pattern and not text.startswith(sentence[:3]): continue   # a phrase at the start of a sentence
        assert any(problem.endswith(f'write: {instead}') for problem in found(text)), text
    assert not re.search(pattern, instead)

def test_message():
    message, = found('How far off\nare they, in the mean? Guess.')
    assert message == '"...How far off are they, in the mean? Guess....": instead of "in the mean" write: on average'

@pytest.mark.parametrize('text', [
    'The module `picture` draws, see [lab/picture](lab/picture.ipynb) and [its drawing](lab/picture.ipynb).',
    '```py\npicture = draw()\n```', 'In the mean time, share your seed.', 'There is no image to see, and no one sees it.',
    'Once a day, one run and a second.', 'Someone who wants to read it asks for a kernel.', 'A wrong number is not a number.', 'The two numbers stand in a simple relation.'])
def test_good_english_is_left_alone(text): assert not found(text)
