# SPDX-License-Identifier: GPL-3.0-or-later
"""Adapters from models to the vocabulary of core: one stage and engine a module, listed in registry.py."""
