# SPDX-License-Identifier: GPL-3.0-or-later
"""A script, run by its path in another Python: asks NVIDIA's driver for its first GPU, and prints it as JSON, or null.

The driver's library is the one that PyTorch loads itself: where it cannot be loaded, PyTorch finds no GPU either. It is
asked in a process of its own, because a broken driver may hang or crash.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

_LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
# Of CUdevice_attribute.
_CAPABILITY_MAJOR = 75
_CAPABILITY_MINOR = 76
_NAME_BYTES = 128


def main() -> None:
    """Print what there is."""
    try:
        driver = ctypes.CDLL(_LIBRARY)
    except OSError:
        found = None
    else:
        found = ask_driver(driver)
    sys.stdout.write(json.dumps(found) + "\n")


def ask_driver(driver: Any) -> dict[str, Any] | None:
    """The first GPU: its name, the newest CUDA that its driver runs, its compute capability, both as [major, minor].
    None where there is none. driver: the functions of CUDA's driver API, which return 0 where they succeed.
    """
    count, version, device, major, minor = (ctypes.c_int() for _ in range(5))
    name = ctypes.create_string_buffer(_NAME_BYTES)
    failed = (
        driver.cuInit(0)
        or driver.cuDriverGetVersion(ctypes.byref(version))
        or driver.cuDeviceGetCount(ctypes.byref(count))
        or not count.value
        or driver.cuDeviceGet(ctypes.byref(device), 0)
        or driver.cuDeviceGetName(name, _NAME_BYTES, device)
        or driver.cuDeviceGetAttribute(ctypes.byref(major), _CAPABILITY_MAJOR, device)
        or driver.cuDeviceGetAttribute(ctypes.byref(minor), _CAPABILITY_MINOR, device)
    )
    if failed:
        return None
    # The version is 1000 × major + 10 × minor.
    return {
        "name": name.value.decode("utf-8", "replace"),
        "cuda": [version.value // 1000, version.value % 1000 // 10],
        "capability": [major.value, minor.value],
    }


if __name__ == "__main__":
    main()
