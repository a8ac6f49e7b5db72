# SPDX-License-Identifier: GPL-3.0-or-later
"""Step1X-3D (Li et al. 2025, arXiv 2505.07747): from one picture to a mesh, and from a mesh to its texture."""
