"Build the package from the metadata in settings.ini"
from configparser import ConfigParser
from pathlib import Path
from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

root = Path(__file__).parent
config = ConfigParser(delimiters='=', interpolation=None)
config.read(root/'settings.ini', encoding='utf-8')
cfg = config['DEFAULT']
url = f"https://github.com/{cfg['user']}/{cfg['repo']}"

class WithNotebooks(build_py):
    "Put the lessons and pages into the package: an installed `mnist_sgd course` writes them out"
    def run(self):
        super().run()
        if self.editable_mode: return  # a clone has them beside the package
        folder = Path(self.build_lib)/cfg['name']/'notebooks'
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted((root/'nbs').glob('*.ipynb')): self.copy_file(str(path), str(folder/path.name))

setup(
    name=cfg['name'], version=cfg['version'], description=cfg['description'], author=cfg['author'], url=url,
    license=cfg['license'], keywords=cfg['keywords'], python_requires=f">={cfg['min_python']}",
    long_description=(root/'README.md').read_text(encoding='utf-8'), long_description_content_type='text/markdown',
    packages=find_packages(include=[cfg['name'], f"{cfg['name']}.*"]), install_requires=cfg['requirements'].split(),
    cmdclass=dict(build_py=WithNotebooks),
    extras_require={k.removesuffix('_requirements'): v.split() for k, v in cfg.items() if k.endswith('_requirements')},
    entry_points={'console_scripts': cfg['console_scripts'].splitlines(),
                  'nbdev': f"{cfg['name']}={cfg['name']}._modidx:d"},
)
