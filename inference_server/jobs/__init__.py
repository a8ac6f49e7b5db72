# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that outlive processes: the table, the queue, the worker and its supervisor."""
