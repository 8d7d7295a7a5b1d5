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
        if self._left < 0:
            return 0
        mask = (1 << count) - 1
        return self._number >> self._left & mask

    def take_golomb(self) -> int:
        """Takes a number of Exp-Golomb code (ISO/IEC 14496-10, section 9.1)."""
        zeros = 0
        # Behind the end only zeros come, so the loop must look for it.
        while not self.take(1) and self._left > 0:
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def take_signed_golomb(self) -> int:
        """Takes a number with a sign (section 9.1.1): 1, -1, 2, -2, .. follow 0."""
        code = self.take_golomb()
        if code % 2:
            return (code + 1) // 2
        return -code // 2
