"""The saved index: one file, which is opened by mapping it into memory, without reading it.

::

    file     = head block* contents tail
    head     = MAGIC, 64 bytes with what pads it
    block    = the arrays of a `Block`, each from a multiple of 64 bytes on; a block from a multiple of 4,096
    contents = JSON: `Contents`
    tail     = length of the contents (8 bytes), SHA-256 of head and contents (32), the file's length (8), MAGIC (16)

All numbers are little-endian. The contents stand at the end, as in Parquet, because a file is written while its table
is still being read. Opening checks the tail, the file's length and the contents; each block has a checksum besides,
which `verify` reads (docs/decisions/0009). How bitmaps are numbered, and which dimension has runs, belongs to the
format (`terms.Layout`): another order is another version.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import os
import zlib
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from adapters.population.blocks import ALIGNMENT, Block, Weights
from adapters.population.files import regular
from adapters.population.replacing import replacing
from adapters.population.terms import clustering
from segmentation_core.errors import DataError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import IO

    from numpy.typing import NDArray

    from segmentation_core.catalog import Catalog

MAGIC = b"segmentation\r\n\x1a\x02"
"""What the file begins and ends with; the last byte is the format's version."""

PAGE = 4096
_HEAD = MAGIC.ljust(ALIGNMENT, b"\0")
_TAIL = 8 + 32 + 8 + len(MAGIC)
_AGAIN = "an index that this version has made: segmentation population build"


_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Extent(msgspec.Struct, frozen=True):
    """Where a block stands, what it measures, and the CRC-32 of its bytes.

    `bitmaps` counts that of everyone with them. `runs` are the block's own; `places` is 0 where there are none, and so
    are `digits` and `slices` without weights.
    """

    offset: _Count
    length: _Count
    checksum: _Count
    rows: _Count
    words: _Count
    bitmaps: _Count
    runs: tuple[_Count, ...] = ()
    places: _Count = 0
    digits: _Count = 0
    slices: _Count = 0


class Contents(msgspec.Struct, frozen=True):
    """What a file holds: for which catalogue, and where the blocks are.

    `fingerprint` is of what the data depends on, `dimensions` says it in words: by dimension the ids of its values.
    """

    catalog: str
    fingerprint: str
    dimensions: dict[str, tuple[str, ...]]
    rows: _Count
    blocks: tuple[Extent, ...]


def is_saved(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file begins as a saved index does, of whatever version. A file that cannot be read does not."""
    try:
        with open(path, "rb", opener=regular) as file:
            return file.read(len(MAGIC) - 1) == MAGIC[:-1]
    except OSError:
        return False


def data_fingerprint(catalog: Catalog) -> str:
    """Return what tells two catalogues apart in how they read data. Labels, segments and the version do not count."""
    read = [
        (each.id, each.kind, each.column, each.other, [(value.id, value.code, value.column) for value in each.values])
        for each in catalog.dimensions
    ]
    weight = catalog.weight.column if catalog.weight else None
    return hashlib.sha256(msgspec.json.encode([read, weight])).hexdigest()


def save(path: str | os.PathLike[str], catalog: Catalog, blocks: Iterable[Block]) -> int:
    """Write an index, block by block as they come, and return its length in bytes. It replaces the file at once.

    Raises DataError where it cannot be written, and whatever `blocks` raises: the file that was there is unchanged.
    """
    with replacing(path) as file:
        file.write(_HEAD)
        # `map` keeps no block that is written, as a loop's variable would while the next one is made.
        extents = [*map(partial(_write_block, file), blocks)]
        contents = msgspec.json.encode(
            Contents(
                catalog.title,
                data_fingerprint(catalog),
                {each.id: tuple(each.positions) for each in catalog.dimensions},
                sum(extent.rows for extent in extents),
                tuple(extents),
            )
        )
        file.write(contents)
        length = file.tell() + _TAIL
        digest = hashlib.sha256(_HEAD + contents).digest()
        file.write(len(contents).to_bytes(8, "little") + digest + length.to_bytes(8, "little") + MAGIC)
    return length


def open_saved(path: str | os.PathLike[str], catalog: Catalog) -> list[Block]:
    """Map an index into memory and return its blocks, whose arrays are read from the disk as they are needed.

    Raises DataError for a file that is no index, of another version, not whole, made for a catalogue that reads data
    otherwise, with the first difference, or whose contents cannot be where they are said to be.
    """
    mapped, contents = _mapped(path)
    if contents.fingerprint != data_fingerprint(catalog):
        message = (
            f"was made for the catalogue {contents.catalog!r}, not {catalog.title!r}: {_difference(contents, catalog)}"
        )
        raise DataError(Problem(str(path), message, contents.catalog, "an index that was made for this catalogue"))
    if contents.rows != sum(extent.rows for extent in contents.blocks):
        raise _damaged(path)
    try:
        return [_block(mapped, extent, catalog) for extent in contents.blocks]
    except (ValueError, OverflowError) as fault:
        raise _damaged(path) from fault


def verify(path: str | os.PathLike[str]) -> None:
    """Read all of an index. Raises DataError where a block's bytes are not those that were written."""
    mapped, contents = _mapped(path)
    whole = memoryview(mapped)
    first = 1
    for extent in contents.blocks:
        if zlib.crc32(whole[extent.offset : extent.offset + extent.length]) != extent.checksum:
            message = f"is damaged: rows {first} to {first + extent.rows - 1} are not as they were written"
            raise DataError(Problem(str(path), message, expected=_AGAIN))
        first += extent.rows


def _write_block(file: IO[bytes], block: Block) -> Extent:
    file.write(bytes(-file.tell() % PAGE))
    offset = file.tell()
    checksum = 0
    for array in block.arrays:
        octets = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        padding = bytes(-len(octets) % ALIGNMENT)
        for part in (octets, padding):
            checksum = zlib.crc32(part, checksum)
            file.write(part)
    digits, slices = (len(block.weights.units), len(block.weights.slices)) if block.weights else (0, 0)
    return Extent(
        offset,
        file.tell() - offset,
        checksum,
        block.rows,
        block.words,
        len(block.bitmaps),
        tuple(block.runs),
        0 if block.places is None else len(block.places),
        digits,
        slices,
    )


def _mapped(path: str | os.PathLike[str]) -> tuple[mmap.mmap, Contents]:
    try:
        with open(path, "rb", opener=regular) as file:
            length = os.fstat(file.fileno()).st_size
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if length else None
    except OSError as fault:
        raise DataError(Problem(str(path), f"the file cannot be read: {fault.strerror}")) from fault
    if mapped is None or mapped[: len(MAGIC) - 1] != MAGIC[:-1]:
        raise DataError(Problem(str(path), "is not a saved index", expected=_AGAIN))
    if mapped[: len(MAGIC)] != MAGIC:
        message = f"has the format {mapped[len(MAGIC) - 1]} of saved indexes, and this version reads {MAGIC[-1]}"
        raise DataError(Problem(str(path), message, expected=_AGAIN))
    tail = mapped[-_TAIL:]
    whole = int.from_bytes(tail[40:48], "little")
    size = int.from_bytes(tail[:8], "little")
    if tail[48:] != MAGIC or whole != length or size > length - _TAIL - len(_HEAD):
        raise DataError(Problem(str(path), "is cut off, or something was written to it", expected=_AGAIN))
    text = mapped[-_TAIL - size : -_TAIL]
    if hashlib.sha256(mapped[: len(_HEAD)] + text).digest() != tail[8:40]:
        raise _damaged(path)
    try:
        return mapped, msgspec.json.decode(text, type=Contents)
    # Nobody's damage: it has the checksum that anybody can reckon.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise _damaged(path) from fault


def _damaged(path: str | os.PathLike[str]) -> DataError:
    return DataError(Problem(str(path), "its list of contents is damaged", expected=_AGAIN))


def _block(mapped: mmap.mmap, extent: Extent, catalog: Catalog) -> Block:
    """Return a block of a file that is as `extent` says. Raises ValueError or OverflowError where it cannot be."""
    offset = extent.offset
    if not offset or offset % PAGE or extent.words * 8 % ALIGNMENT or not 0 < extent.rows <= extent.words * 64:
        raise ValueError
    bitmaps = sum(len(each.values) for each in catalog.dimensions) + 1
    if extent.runs:
        cluster = clustering(catalog)
        values = len(cluster.values) if cluster else 0
        ends = (0, *extent.runs[1:-1], extent.words)
        if len(extent.runs) != values + 1 or extent.runs != ends or any(a > b for a, b in pairwise(ends)):
            raise ValueError
        bitmaps -= values
    if extent.bitmaps != bitmaps or extent.places not in {0, extent.rows}:
        raise ValueError
    if bool(extent.digits) is not (catalog.weight is not None) or (extent.slices and not extent.digits):
        raise ValueError

    def view(kind: str, *shape: int) -> NDArray[Any]:
        nonlocal offset
        count = math.prod(shape)
        array = np.frombuffer(mapped, dtype=kind, count=count, offset=offset).reshape(shape)
        offset += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
        return array

    packed = view("<u8", extent.bitmaps, extent.words)
    places = view("<u4", extent.places) if extent.places else None
    weights = None
    if extent.digits:
        units = view("<f8", extent.digits, extent.words + extent.slices)
        weights = Weights(units, view("<i8", extent.slices), view("<u8", extent.slices))
    if offset != extent.offset + extent.length:
        raise ValueError
    return Block(extent.rows, packed, extent.runs, places, weights)


def _difference(contents: Contents, catalog: Catalog) -> str:
    """Say where a catalogue first differs from that of an index."""
    here = {each.id: tuple(each.positions) for each in catalog.dimensions}
    for dimension, values in contents.dimensions.items():
        if dimension not in here:
            return f"it has no dimension {dimension!r}"
        if here[dimension] != values:
            other = next((value for value in here[dimension] if value not in values), None)
            lost = next((value for value in values if value not in here[dimension]), None)
            said = f"has {other!r}" if other else f"lacks {lost!r}" if lost else "has its values in another order"
            return f"{dimension!r} {said}"
    new = next((dimension for dimension in here if dimension not in contents.dimensions), None)
    return f"the dimension {new!r} is new" if new else "a code, a column or the weight has changed"
