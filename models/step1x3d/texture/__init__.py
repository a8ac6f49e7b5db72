# SPDX-License-Identifier: GPL-3.0-or-later
"""Step1X-3D's texture half: six views of a mesh painted together by SDXL, then carried onto it."""
