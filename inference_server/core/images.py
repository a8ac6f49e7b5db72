# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the artist's picture: any PNG, JPEG, WebP, AVIF or GIF becomes upright sRGB with straight alpha."""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from inference_server.core.chains import PICTURE_FORMATS
from inference_server.core.types import SourceImage, UInt8
from inference_server.errors import ImageTooLarge, ImageUnreadable, OutOfMemory, UnsupportedMedia

# No stage uses more; above it a picture only costs memory.
WORKING_SIDE_PX = 4096
# Enough to judge a picture by beside its cut-out, which has this size.
_VIEW_SIDE_PX = 1024
# A compressed picture of the accepted number of pixels never comes near this.
_MAX_FILE_BYTES = 512 * 1024 * 1024
_FORMATS_SENTENCE = "Use a PNG, JPEG, WebP, AVIF or GIF picture."


def read_image(path: Path, max_megapixels: float) -> SourceImage:
    """Read and decode a picture file.

    The first frame counts; EXIF rotation and an embedded colour profile are applied; sides above 4096 px are
    reduced. Each such change is a note. Raises ImageUnreadable, ImageTooLarge (by the header, before decoding),
    UnsupportedMedia or OutOfMemory.
    """
    return decode_image(_bytes_of(path), str(path), max_megapixels)


def decode_image(content: bytes, name: str, max_megapixels: float) -> SourceImage:
    """As `read_image`, from the file's bytes; `name` is what messages call it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large or odd files; both are judged here
        picture = _open(content, name)
        width, height = picture.size
        if width * height > max_megapixels * 1e6:
            raise ImageTooLarge(
                f"{name} is {width} × {height} pixels ({width * height / 1e6:.0f} megapixels).",
                f"Reduce it to {max_megapixels:g} megapixels or less; 2048 pixels a side are plenty.",
            )
        notes = []
        try:
            if getattr(picture, "n_frames", 1) > 1:
                notes.append("The picture is animated: its first frame was used.")
            upright = ImageOps.exif_transpose(picture)
            rgba = _to_srgb(upright, picture.info.get("icc_profile"))
        except MemoryError as error:
            raise OutOfMemory(f"There is no memory to decode {name}.", "Close other programs, or reduce it.") from error
        except Exception as error:  # damaged files make Pillow's decoders raise nearly anything
            raise ImageUnreadable(f"{name} is damaged: {error}.", "Save it again from a picture editor.") from error
        if max(rgba.size) > WORKING_SIDE_PX:
            notes.append(f"The picture was reduced from {width} × {height} to {WORKING_SIDE_PX} pixels a side.")
            rgba.thumbnail((WORKING_SIDE_PX, WORKING_SIDE_PX), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return SourceImage(np.asarray(rgba), hashlib.sha256(content).hexdigest(), tuple(notes))


def view_of(source: SourceImage) -> UInt8:
    """The picture as it was read, to be looked at: (h, w, 4) uint8, straight alpha, at most 1024 px a side."""
    height, width = source.rgba.shape[:2]
    if max(height, width) <= _VIEW_SIDE_PX:
        return source.rgba
    scale = _VIEW_SIDE_PX / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    reduced = Image.fromarray(source.rgba).resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.asarray(reduced)


def _bytes_of(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise ImageUnreadable(f"{path} is a folder.", "Name one picture file.")
        if path.exists() and not path.is_file():
            raise ImageUnreadable(f"{path} is no regular file.", "Name one picture file.")
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise ImageTooLarge(f"{path} is larger than {_MAX_FILE_BYTES >> 20} MiB.", "Save it as PNG or JPEG.")
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise ImageUnreadable(f"{path} does not exist.", "Check the path of the picture.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageUnreadable(f"{path} cannot be read: {reason}.", "Check the file and its permissions.") from error
    if not content:
        raise ImageUnreadable(f"{path} is empty (zero bytes).", "Save or download it again.")
    return content


def _open(content: bytes, name: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content), formats=PICTURE_FORMATS)
    except UnidentifiedImageError as error:
        raise UnsupportedMedia(f"{name} is not a picture that Figurine reads.", _FORMATS_SENTENCE) from error
    except Image.DecompressionBombError as error:
        raise ImageTooLarge(f"{name} announces hundreds of megapixels.", "Check where it is from.") from error
    except Exception as error:  # damaged files make Pillow's decoders raise nearly anything
        raise ImageUnreadable(f"{name} is damaged: {error}.", "Save it again from a picture editor.") from error


def _to_srgb(picture: Image.Image, icc_profile: bytes | None) -> Image.Image:
    """To 8-bit RGBA in sRGB; 16-bit greys are scaled, palettes and CMYK converted, a broken profile ignored."""
    if picture.mode.startswith("I"):  # 16-bit and 32-bit greys: convert() would clip them at 255
        grey = np.asarray(picture, dtype=np.float64)
        return Image.fromarray(np.uint8(np.clip(grey / 257.0, 0, 255).round())).convert("RGBA")
    alpha = picture.convert("RGBA").getchannel("A")
    if icc_profile:
        base = picture if picture.mode in ("RGB", "CMYK", "L") else picture.convert("RGB")
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
            converted = ImageCms.profileToProfile(base, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            converted = None
        if converted is not None:
            converted.putalpha(alpha)
            return converted
    return picture.convert("RGBA")
