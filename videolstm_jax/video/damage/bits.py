"""Numbers of some bits in the headers of coded pictures."""

from __future__ import annotations


class BitReader:
    """Reads numbers of some bits, the highest bit first; zeros behind the end."""

    def __init__(self, data: bytes) -> None:
        """Begins at the first bit of some bytes."""
        self._number = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    @property
    def exhausted(self) -> bool:
        """Whether more bits were taken than there were."""
        return self._left < 0

    def take(self, count: int) -> int:
        """Takes a number of `count` bits."""
        self._left -= count
        return self._number >> self._left & (1 << count) - 1 if self._left >= 0 else 0

    def take_golomb(self) -> int:
        """Takes a number of Exp-Golomb code (ISO/IEC 14496-10, section 9.1)."""
        zeros = 0
        while not self.take(1) and self._left > 0:
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def take_signed_golomb(self) -> int:
        """Takes a number with a sign (section 9.1.1): 1, -1, 2, -2, .. follow 0."""
        code = self.take_golomb()
        return (code + 1) // 2 if code % 2 else -code // 2
