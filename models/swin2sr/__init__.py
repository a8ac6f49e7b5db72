# SPDX-License-Identifier: GPL-3.0-or-later
"""Swin2SR (Conde et al., "Swin2SR: SwinV2 Transformer for Compressed Image Super-Resolution and Restoration", 2022):
the network of transformers, its published weights read from a folder, and pictures enlarged tile by tile.
"""
