"""Settings: what there is (`run_settings`, `catalogue`), and how it is read (`flags`, `readers`, `sources`).

Flags win over the environment, that over ``.env``, that over ``rheed-acquire.toml``, that over the defaults.
"""
