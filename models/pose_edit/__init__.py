# SPDX-License-Identifier: GPL-3.0-or-later
"""Instruction editors that run on this machine, through diffusers: a picture and an instruction in, a picture out."""
