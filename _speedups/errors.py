"""Roots of the error tree that compiled code raises; see `connectors.errors`."""

__all__ = ["ConnectorError", "DecodeError", "PrecisionError", "ProtocolError"]


class ConnectorError(Exception):
    """Base of every error this package raises on purpose."""


class ProtocolError(ConnectorError):
    """The peer sent something the protocol does not allow."""


class PrecisionError(ConnectorError, ValueError):
    """A number cannot be held exactly: off-tick, too large, or not a number.

    Attributes
    ----------
    value : object
        What was given, as text where it came as bytes.
    reason : str
        What is wrong with it, for a human.
    """

    def __init__(self, reason: str, value: object = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.value = value


class DecodeError(ProtocolError, ValueError):
    """Bytes do not form the message they should.

    Attributes
    ----------
    offset : int
        Index of the first byte that does not fit, from the start of the message.
    reason : str
        What was expected there.
    """

    def __init__(self, reason: str, offset: int = -1) -> None:
        super().__init__(f"{reason} at byte {offset}" if offset >= 0 else reason)
        self.reason = reason
        self.offset = offset
