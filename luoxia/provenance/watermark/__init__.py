"""A number that a picture carries unseen: 48 bits in a faint pattern, readable after the picture was changed.

Readable after JPEG, WebP, scaling, cropping, a screenshot, a palette, changes of brightness and contrast; not after
rotation, nor against someone who knows this code and wants it gone: the pattern has no secret.
"""

from __future__ import annotations

from luoxia.provenance.watermark.ground import PROMISED
from luoxia.provenance.watermark.marking import LEAST, mark
from luoxia.provenance.watermark.reading import Reading, read

__all__ = ["LEAST", "PROMISED", "Reading", "mark", "read"]
