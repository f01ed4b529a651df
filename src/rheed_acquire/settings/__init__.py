"""Settings: what there is (`run_settings`, `catalogue`), and how it is read.

Each source has its reader (`flags`, `variables`, `toml_file`), which makes `assignments` of it; `sources`
joins them. Flags win over the environment, that over ``.env``, that over ``rheed-acquire.toml``, that over
the defaults.
"""
