# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks and classical engines. Knows nothing of servers, jobs or Blender."""
