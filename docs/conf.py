"""The site: `sphinx-build -W docs build/site`, for which `pip install -e '.[docs]'` is needed."""

import inspect
import os
import pathlib
import re
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).parent))

import docstrings
import latex2mathml.converter
import pages
from docutils import nodes

import tfar

project, author = "tfar", "the founders of tfar"
version = release = tfar.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
html_math_renderer = "mathml"
html_theme = "furo"
html_title = "tfar"
html_static_path = []
myst_enable_extensions = ["dollarmath", "colon_fence", "substitution"]
myst_substitutions = pages.figures()
myst_heading_anchors = 3
default_role = "py:obj"  # single backticks in docstrings: a link, where there is such a name
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # Keras' and TFP's are Markdown
autodoc_typehints = "none"  # they are in the signature of the source, one click away
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_numpy_docstring = False
suppress_warnings = ["ref.python"]  # a name that several modules have

napoleon_use_ivar = True  # fields of dataclasses are described once


def as_restructured_text(app, what, name, obj, options, lines):
    lines[:] = docstrings.converted(lines)


def is_inherited(app, what, name, obj, skip, options):
    """Whether a member is TFP's, whose docstrings are Markdown, or has no docstring of ours."""
    own = str(getattr(obj, "__module__", "tfar")).startswith("tfar")
    return True if not own or isinstance(obj, dict | tuple | list) else None


def of_the_constructor(app, what, name, obj, options, signature, returns):
    """Keras' ``__new__`` takes anything: the arguments are those of ``__init__``."""
    if what == "class" and signature == "(*args, **kwargs)":
        given = list(inspect.signature(obj.__init__).parameters.values())[1:]
        plain = [parameter.replace(annotation=parameter.empty) for parameter in given]
        signature = str(inspect.Signature(plain))
    return signature, returns


def inline(translator, node):
    """MathML, which browsers show without a script."""
    translator.body.append(latex2mathml.converter.convert(node.astext()))
    raise nodes.SkipNode


def displayed(translator, node):
    text = latex2mathml.converter.convert(node.astext(), display="block")
    translator.body.append(f'<div class="math">{text}</div>')
    raise nodes.SkipNode


def link_cards(app, name, source):
    """Cards are pages of the site."""
    source[0] = re.sub(r"\]\(\.\./zoo/(\w+)/card\.md\)", r"](_made/models/\1.md)", source[0])


def setup(app):
    app.add_html_math_renderer("mathml", (inline, None), (displayed, None))
    app.connect("autodoc-process-signature", of_the_constructor)
    app.connect("source-read", link_cards)
    app.connect("autodoc-skip-member", is_inherited)
    app.connect("autodoc-process-docstring", as_restructured_text, priority=400)
    app.connect("builder-inited", lambda app: pages.write(pathlib.Path(app.srcdir)))
