"""What settings may be."""

from __future__ import annotations

import math


def refuse_outside(settings: object, low: float, high: float, *names: str) -> None:
    """Raises ValueError, naming the setting, where one of `names` is no number from low to high.

    Of pairs both have to be, the first no larger than the second. low and high may be infinite, the settings not.
    """
    for name in names:
        value = getattr(settings, name)
        numbers = value if isinstance(value, tuple) else (value,)
        if not all(math.isfinite(number) and low <= number <= high for number in numbers):
            above = "a number" if low == -math.inf else f"at least {low:g}"
            wanted = above if high == math.inf else f"from {low:g} to {high:g}"
            raise ValueError(f"{name} is {value}, not {wanted}")
        if numbers[0] > numbers[-1]:
            raise ValueError(f"{name} is {value}, not (smallest, largest)")
