"""Lossless compression by p(x): arithmetic coding of examples, in -log2 p(x) bits and a little.

`compress` gives bytes, from which `decompress` makes the very same examples, by the same model on a
machine of the same arithmetic. `salvage` decodes what a damaged file still holds. It needs the
package constriction: ``pip install 'tfar[compression]'``.
"""

from tfar.compression.codec import compress, decompress, salvage
from tfar.compression.container import Damaged

__all__ = ["Damaged", "compress", "decompress", "salvage"]
