# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts of a few lines that the installer runs in other Pythons, and what it imports there."""

from __future__ import annotations

# Imported in a test before an environment is used: a library that this system cannot load is found now, not in a job.
CHECKED_MODULES = (
    "inference_server.cli",
    "inference_server.app",
    "numpy",
    "scipy.spatial",
    "skimage.measure",
    "cv2",
    "PIL.Image",
    "trimesh",
    "igl",
)
NETWORK_MODULES = (
    "torch",
    "diffusers",
    "transformers",
    "safetensors",
    "accelerate",
    "huggingface_hub",
    "numba",
    "fast_simplification",
)
# Of Blender's own Python: its version, the system, and which of the modules that make environments it lacks.
PROBE = (
    "import importlib.util as u, json, platform as p, sys; "
    "print(json.dumps([sys.version.split()[0], f'{p.system()} {p.machine()}', "
    "[m for m in ('venv', 'ensurepip') if u.find_spec(m) is None]]))"
)
# Libraries print what they like: what is asked for has a mark.
TOLD = "torch: "
# Imports the modules that are named, and tells PyTorch's version, what it was built for, and what it works on.
CHECK = (
    "import importlib, json, sys; [importlib.import_module(name) for name in sys.argv[1:]]; "
    "t = sys.modules.get('torch'); print(); "
    f"print({TOLD!r} + json.dumps(t and [str(t.__version__), t.version.cuda or '', "
    "'cuda' if t.cuda.is_available() else 'mps' if t.backends.mps.is_available() else 'cpu']))"
)
# Names of pip's settings alone: their values may hold a password.
SETTINGS = (
    "import subprocess, sys; command = [sys.executable, '-I', '-m', 'pip', 'config', 'list', *sys.argv[1:]]; "
    "lines = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout.splitlines(); "
    "print(*(line.partition('=')[0] for line in lines), sep='\\n')"
)
