# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of a mesh become its texture; whoever painted or took them.

`bake.py` is the way through: `projection.py` carries one view over, as far as `trust.py` believes it, `balance.py`
evens out the light, `blend.py` mixes the views, `fill.py` continues them. `unwrap.py` lays out texture coordinates.
Two loops are compiled (`compiled.py`) and have readable twins (`plain.py`). No torch.
"""
