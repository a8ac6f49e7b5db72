# SPDX-License-Identifier: GPL-3.0-or-later
"""The geometry half of Step1X-3D: picture → condition tokens → latents (a rectified flow) → signed field → mesh.

`config.py` reads the published json files, `conditioner.py` (on `vision.py`) turns picture and labels into tokens,
`transformer.py` is the diffusion transformer, `sampler.py` walks the flow, `vae.py` decodes latents to a field that can
be asked anywhere and encodes surfaces, `checkpoint.py` loads the published folders, `pipeline.py` puts them together.
"""
