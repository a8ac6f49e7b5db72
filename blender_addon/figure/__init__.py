# SPDX-License-Identifier: GPL-3.0-or-later
"""What the importer makes of a result, part by part."""
