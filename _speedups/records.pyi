from typing import Any, final

__all__ = ["RecordMaker"]

@final
class RecordMaker:
    def __init__(self, cls: type[Any], /) -> None: ...
    def __call__(self, *values: Any) -> Any: ...
