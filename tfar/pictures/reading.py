"""Images from a folder, a file or an array: uint8 [N, H, W, C], or a sentence that names the file.

Everything is read and checked before anything is returned.
"""

from __future__ import annotations

import dataclasses
import io
import os
from typing import TYPE_CHECKING

import numpy as np

from tfar import arguments, contents, files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from PIL.Image import Image

    from tfar.typing import Path

ENDINGS = (
    ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm",
    ".pnm",
)  # fmt: skip
IMAGES, LABELS = ("x", "images", "image"), ("labels", "label", "y", "condition")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pictures:
    """Images, and what was found beside them.

    Attributes:
      x: uint8 [N, H, W, C], with C = 1 if every image is grey, otherwise 3.
      names: where each image comes from, relative to the folder; empty for arrays.
      labels: int32 [N], or None.
      classes: the names of the labels 0, 1, ..., or None.
      left_out: how many files in the folder have no ending of an image.
    """

    x: np.ndarray
    names: tuple[str, ...] = ()
    labels: np.ndarray | None = None
    classes: tuple[str, ...] | None = None
    left_out: int = 0


def read(
    source: Path | np.ndarray | Pictures,
    *,
    size: int | Sequence[int] | None = None,
    labels: bool | Sequence[str] = False,
) -> Pictures:
    """The images of a folder, of a file, or of an array.

    A folder is searched with all folders in it, in the order of the names; hidden files and files
    of other endings are left out. Palettes and CMYK become RGB, photographs are turned as their
    cameras say, an alpha channel that hides nothing is dropped, and images of which all are grey
    have one channel.

    Args:
      source: a folder of images, an image, an ``.npy`` file of an array, or an ``.npz`` file with
        an array "x" or "images", or only one; or the array itself: [N, H, W] or [N, H, W, C] of C 1
        or 3, whole numbers from 0 to 255. `Pictures` are returned as they are.
      size: N, or (H, W), to which images of the same proportions are resized. By default all must
        have one size.
      labels: whether labels are read: of a folder, the numbers of its sub-folders, by name; of an
        ``.npz`` file, the array "labels" or "y". Or the names 0, 1, ... that labels must have.

    Returns:
      `Pictures`.

    Raises:
      ValueError: if there are no images; one is damaged, partly transparent, animated, of 16 bits,
        or of another size or other proportions; or labels are missing. The message names the file.
      OSError: if a file cannot be read.

    >>> read(np.full([5, 2, 2], 255)).x.shape
    (5, 2, 2, 1)
    """
    shape = None
    if size is not None:
        many = [size, size] if isinstance(size, int | np.integer) else size
        shape = arguments.integers("size", many, least=1, count=2)
    if isinstance(labels, bool | np.bool_ | int):
        labels = arguments.flag("labels", labels)
    if isinstance(source, Pictures):
        return source
    if not isinstance(source, str | os.PathLike):
        return _of_array(source, "The array", None, shape, labels)
    path = arguments.path("source", source)
    if path.is_dir():
        return _of_folder(path, shape, labels)
    return of_bytes(files.read(path), str(path), size=shape, labels=labels)


def of_bytes(
    content: bytes,
    name: str,
    *,
    size: tuple[int, ...] | None = None,
    labels: bool | Sequence[str] = False,
) -> Pictures:
    """As `read`, of the bytes of a file: an image, or an ``.npy`` or ``.npz`` file.

    Args:
      content: bytes.
      name: of the file, for messages.
      size: (H, W), or None.
      labels: as in `read`.

    Raises:
      ValueError: as `read`.
    """
    if content.startswith(b"\x93NUMPY"):
        return _of_array(contents.array(content, name), name, None, size, labels)
    if content.startswith(b"PK"):
        return _of_archive(contents.arrays(content, name), name, size, labels)
    if name.endswith(".npy"):
        contents.array(content, name)  # the clear error
    if name.endswith(".npz"):
        contents.arrays(content, name)
    if labels:
        raise ValueError(f"{name} is one image, and labels are the names of sub-folders.")
    image = _opened(io.BytesIO(content), name)
    return Pictures(x=_stacked([(name, image)], size), names=(os.path.basename(name),))


# Folders of files ---------------------------------------------------------------------------------


def _of_folder(folder, shape, labels):
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(folder).parts)
    )
    paths = [path for path in found if path.suffix.lower() in ENDINGS]
    if not paths:
        raise ValueError(
            f"There are no images in the folder {folder}: expected files that end in "
            f"{', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}."
        )
    numbers, classes = _labels_of(folder, paths, labels) if labels else (None, None)
    x = _stacked(((path, _opened(path, path)) for path in paths), shape)
    relative = tuple(str(path.relative_to(folder)) for path in paths)
    return Pictures(
        x=x, names=relative, labels=numbers, classes=classes, left_out=len(found) - len(paths)
    )


def _labels_of(folder, paths, known):
    """The number of each path's sub-folder, and the names of the sub-folders, or those known."""
    parts = [path.relative_to(folder).parts for path in paths]
    for path, own in zip(paths, parts):
        if len(own) == 1:
            raise ValueError(f"{path} has no label: expected every image in a sub-folder.")
    classes = sorted({own[0] for own in parts})
    if known is not True:
        return _of_names(np.array([own[0] for own in parts]), folder, known)
    if len(classes) < 2:
        raise ValueError(f"Expected several sub-folders in {folder}, got only {classes[0]!r}.")
    return np.array([classes.index(own[0]) for own in parts], np.int32), tuple(classes)


def _of_names(words, name, known):
    """The numbers of words among the names of a model's labels, and those names."""
    if unknown := sorted({*map(str, words)} - {*known}):
        raise ValueError(
            f"{name} has the label {unknown[0]!r}, and the model knows {', '.join(known)}."
        )
    return np.array([known.index(word) for word in words], np.int32), tuple(known)


def _opened(file: Any, name: Any) -> Image:
    """A grey or RGB image of 8 bits, or the sentence that says why there is none."""
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as image:
            if frames := getattr(image, "n_frames", 1) - 1:
                raise _Unfit(f"is animated, of {frames + 1} frames: save each as a file of its own")
            # Pillow says of RGB in 16 bits only here that it reduces them.
            if image.mode.startswith(("I", "F")) or ";16" in str(image.tile):
                raise _Unfit("has 16 bits or more a channel: save it in 8 bits")
            image.load()
            image = ImageOps.exif_transpose(image)
            return _opaque(image).convert("L" if image.mode in ("1", "L", "LA", "La") else "RGB")
    except _Unfit as reason:
        raise ValueError(f"{name} {reason}.") from None
    except MemoryError:
        raise
    except Exception as error:  # whatever Pillow and its plugins raise on the content
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(f"{name} could not be read: {error.strerror}") from error
        if isinstance(error, Image.DecompressionBombError):
            raise ValueError(f"{name} has too many pixels to be read: make it smaller.") from error
        raise ValueError(f"{name} is damaged, or not an image that can be read.") from error


class _Unfit(Exception):
    """Why an image cannot be taken."""


def _opaque(image):
    """The image without its alpha channel, which must hide nothing."""
    if image.mode not in ("RGBA", "LA", "PA", "La", "RGBa") and "transparency" not in image.info:
        return image
    whole = image.convert("RGBA")
    if whole.getchannel("A").getextrema()[0] < 255:
        raise _Unfit("is partly transparent: put it on a background and save it without alpha")
    return whole.convert("RGB")


def _stacked(images, shape):
    """Pairs of names and images, of which one at a time is whole in memory, as [N, H, W, C]."""
    first, resized = None, []
    for name, image in images:
        first = first or (name, image.size)
        if shape is None and image.size != first[1]:
            raise ValueError(
                f"The images have several sizes: {first[0]} has {_pixels(first[1])}, and {name} "
                f"has {_pixels(image.size)}. Give a size, to which they are resized."
            )
        resized.append(_resized(image, name, shape or first[1][::-1]))
    mode = "L" if all(image.mode == "L" for image in resized) else "RGB"
    x = np.stack([np.asarray(image.convert(mode), np.uint8) for image in resized])
    return _grey_if_grey(x.reshape([*x.shape[:3], -1]))


def _resized(image, name, shape):
    height, width = shape
    if image.size == (width, height):
        return image
    across, down = image.size
    if abs(across * height - down * width) > max(shape):  # by more than a pixel
        raise ValueError(
            f"{name} has {_pixels(image.size)}, and is to have {_pixels((width, height))}, of "
            "other proportions: crop it first, or give its height and width as the size."
        )
    from PIL import Image

    return image.resize((width, height), Image.Resampling.LANCZOS)


def _pixels(size):
    return f"{size[0]}x{size[1]} pixels"


def _grey_if_grey(x):
    """[N, H, W, 1] if the three channels of all images are equal."""
    grey = x.shape[-1] == 3 and bool((x == x[..., :1]).all())
    return x[..., :1] if grey else x


# Arrays -------------------------------------------------------------------------------------------


def _of_archive(arrays, name, shape, labels):
    named = [key for key in IMAGES if key in arrays] or [
        key for key, array in arrays.items() if array.ndim in (3, 4)
    ]
    if not named or (len(named) > 1 and named[0] not in IMAGES):
        raise ValueError(
            f"Expected in {name} one array of images, or one called 'x' or 'images', got "
            f"{sorted(arrays)}."
        )
    given = None
    if labels:
        found = [key for key in LABELS if key in arrays]
        if not found:
            raise ValueError(f"{name} has no labels: expected an array 'labels' or 'y' in it.")
        given = arrays[found[0]]
    return _of_array(arrays[named[0]], f"{name}, {named[0]!r},", given, shape, labels)


def _of_array(array: Any, name: str, given: Any, shape: Any, labels: Any) -> Pictures:
    if labels and given is None:
        raise ValueError(f"{name} has no labels: give them apart, or in an .npz file.")
    try:
        array = np.asarray(array)
    except ValueError:
        raise ValueError("Expected images of one size, got arrays of several shapes.") from None
    count, *grid = array.shape or (0,)
    grid = [*grid, 1] if len(grid) < 3 else grid
    if len(grid) != 3 or grid[2] not in (1, 3, 4) or not array.size:
        raise ValueError(
            f"{name} has the shape {list(array.shape)}: expected images, [N, H, W] or [N, H, W, C] "
            "with C = 1 for grey or 3 for RGB, at least one."
        )
    array = array.reshape([count, *grid])
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} is of {array.dtype}: expected numbers from 0 to 255.")
    least, most = array.min(), array.max()
    if not (least >= 0 and most <= 255) or (array.dtype.kind == "f" and (array % 1).any()):
        hint = " Multiply it by 255 and round it." if array.dtype.kind == "f" and most <= 1 else ""
        hint = " Divide it by 256, as whole numbers: it has 16 bits." if most >= 1000 else hint
        raise ValueError(
            f"{name} has values from {least:g} to {most:g}: expected whole numbers from 0 to 255."
            f"{hint}"
        )
    x = array.astype(np.uint8)
    if x.shape[-1] == 4:
        if x[..., 3].min() < 255:
            raise ValueError(
                f"{name} has an alpha channel that is not 255: put it on a background."
            )
        x = x[..., :3]
    if shape is not None and x.shape[1:3] != shape:
        from PIL import Image

        images = [Image.fromarray(image[..., 0] if x.shape[-1] == 1 else image) for image in x]
        x = _stacked(((f"{name} image {n}", image) for n, image in enumerate(images)), shape)
    if given is not None:
        numbers, classes = numbered(given, len(x))
        if labels is not True and np.asarray(given).dtype.kind == "U":
            numbers, classes = _of_names(np.asarray(given), name, labels)
        return Pictures(x=_grey_if_grey(x), labels=numbers, classes=classes)
    return Pictures(x=_grey_if_grey(x))


def numbered(labels: Any, count: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels as numbers from 0, int32 [N], and their names.

    Integers from 0 to 999 stay as they are; other integers, and words, are numbered in their order.

    Args:
      labels: [N] ints or strings.
      count: N.

    Raises:
      ValueError: if there is not one for each image.

    >>> numbered(["cat", "dog", "cat"], 3)
    (array([0, 1, 0], dtype=int32), ('cat', 'dog'))
    """
    array = np.asarray(labels)
    if array.shape != (count,) or array.dtype.kind not in "biuU" or not count:
        raise ValueError(
            f"Expected labels to be {count:,} integers or words, one for each image, got "
            f"{array.dtype} of shape {list(array.shape)}."
        )
    if array.dtype.kind != "U" and array.min() >= 0 and array.max() < 1000:
        return array.astype(np.int32), tuple(map(str, range(int(array.max()) + 1)))
    classes, numbers = np.unique(array, return_inverse=True)
    return numbers.astype(np.int32), tuple(map(str, classes))
