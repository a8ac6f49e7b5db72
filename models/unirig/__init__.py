# SPDX-License-Identifier: GPL-3.0-or-later
"""UniRig (Zhang et al. 2025, arXiv 2504.12451): a skeleton for any mesh, then the weights that bind the mesh to it.

`preprocess.py` samples the mesh. `skeleton.py` is the network that writes bones as tokens, `generate.py` lets it write,
`tokenizer.py` and `grammar.py` know the language, `autorig.py` puts them together.
"""
