# SPDX-License-Identifier: GPL-3.0-or-later
"""Which triangle a pixel sees, where on it, and how far away: one rasteriser for views and for texture space.

`camera.py` brings points before a picture, `rasterize.py` is the one entry and picks a backend, `fragments.py` is what
comes out. Backends, all with the same results: `compiled.py` (numba, every CPU core), `batched.py` (torch, for GPUs),
`plain.py` (numpy, slow and readable: what the others are tested against).

Window space, in which all of them work: columns to the right and rows downwards in pixels, pixel (row, column) covering
[column, column + 1) × [row, row + 1) and sampled at its centre; smaller depth is nearer.
"""
