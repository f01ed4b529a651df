"""Sphinx's configuration; ``sphinx-build -W -n docs build/docs`` builds the pages."""

import importlib.metadata
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "rheed-acquire"
copyright = "the authors of rheed-acquire"  # noqa: A001
release = importlib.metadata.version("rheed-acquire")
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_parser", "living_reference"]
exclude_patterns = ["_ext", "examples"]
html_theme = "furo"
html_title = f"rheed-acquire {release}"
html_copy_source = False

myst_heading_anchors = 3

# `name` in a docstring is a Python name. What these pages document is linked; a full name that this project
# does not have fails the build; parameters, attributes and other projects' names stay plain.
default_role = "py:obj"
nitpick_ignore_regex = [(r"py:.*", r"(?!rheed_acquire\.).*")]
# An attribute's own name, as a docstring lists it, may be that of other classes' members too.
suppress_warnings = ["ref.python"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
