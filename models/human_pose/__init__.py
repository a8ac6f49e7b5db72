# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a person's joints are in a picture (ViTPose, Xu et al. 2022, arXiv 2204.12484), and what pose that is."""
