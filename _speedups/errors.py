"""Roots of the error tree that compiled code raises; see `connectors.errors`."""

__all__ = [
    "ConnectorError",
    "DecodeError",
    "FieldTypeError",
    "ForkError",
    "InvalidKey",
    "InvalidTransaction",
    "PrecisionError",
    "ProtocolError",
    "SignerClosed",
    "SigningError",
]


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


class SigningError(ConnectorError):
    """A signer refused to sign. No error of this family holds a key or a part of one."""


class SignerClosed(SigningError):
    """The signer was closed, and its key wiped."""


class ForkError(SigningError):
    """What was prepared in another process must not be used in this one: make a new signer."""


class InvalidKey(SigningError, ValueError):
    """A private key has the wrong length, a character that is no digit, or no use (0 mod n)."""


class InvalidTransaction(SigningError, ValueError):
    """A transaction cannot be signed: a field or an attribute is not allowed.

    Attributes
    ----------
    message : str
        What is wrong; where the venue's own signer has a text for it, that text.
    code : str
        Its symbolic name, the venue's where it has one (`ErrPriceTooLow`).
    index : int or None
        Which entry of a batch it was.
    """

    def __init__(self, message: str, *, code: str = "", index: int | None = None) -> None:
        super().__init__(message if index is None else f"entry {index}: {message}")
        self.message = message
        self.code = code
        self.index = index

    def at(self, index: int) -> "InvalidTransaction":
        """Return the same error for an entry of a batch."""
        return type(self)(self.message, code=self.code, index=index)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuilt, (type(self), self.message, self.code, self.index)


class FieldTypeError(InvalidTransaction, TypeError):
    """A field or an attribute is not an integer, or not of the type it must have."""


def _rebuilt(
    cls: type[InvalidTransaction], message: str, code: str, index: int | None
) -> InvalidTransaction:
    return cls(message, code=code, index=index)
