# SPDX-License-Identifier: GPL-3.0-or-later
"""BiRefNet (Zheng et al. 2024, arXiv 2401.03407): which pixels of a picture are its subject, as a soft mask.

`config.py` lists the published networks, `model.py` is the network, `matte.py` runs it on pictures of any size.
"""
