"""What annotations name of `typing`, without importing it.

That takes half as long as to import all of zloop. At run time the names stand for any object, so that
`typing.get_type_hints` can be asked.
"""

from __future__ import annotations

TYPE_CHECKING = False  # Type checkers know the name.
if TYPE_CHECKING:
    from typing import Any as Any
    from typing import Self as Self
else:
    Any = Self = object
