"""What a synthetic old photo goes through, as values.

Lengths in pixels are those of a picture whose short side is `REFERENCE_SIDE_PX`; larger pictures get larger damage (see
`synthesis.damage_scale`). A chance is a probability in [0, 1] per picture; a rate is an expected number per cell of
`CELL_PX` x `CELL_PX` reference pixels; a range is (low, high) of a uniform draw unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from restore_cli.errors import UsageProblem
from restore_cli.training.ranges import refuse_outside

REFERENCE_SIDE_PX = 320  # about the short side of the photos that the published model was trained on
CELL_PX = 160

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All settings of `synthesis.age`: the published values and, for what was not published, values tuned by eye."""

    name: str = "mixed"
    published_share: float = 0.5  # chance that a picture is aged the published way; the others the realistic way

    enlarge: Range = (1.0, 2.0)  # log-uniform; damage, blur and grain are larger, as on the scans of small prints

    fine_scan_chance: float = 0.0  # aged small and enlarged, grain and all: a scan finer than its print
    fine_scan: Range = (1.5, 3.2)  # log-uniform, how many times enlarged

    burnt_chance: float = 0.0  # highlights burnt out when it was taken, in the target too: white, and no damage
    burnt_gain: Range = (1.15, 2.0)

    decoy_chance: float = 0.0  # small things that look like damage and belong to the scene, in the target too

    # Published: the four steps of Wan et al. (CVPR 2020), then white holes.
    step_chance: float = 0.7  # of each of the four steps
    blur_sigma_px: Range = (1.0, 5.0)  # kernel 3, 5 or 7
    noise_std: Range = (5 / 255, 50 / 255)  # of white = 1; Gaussian and speckle
    salt_pepper_amount: Range = (0.0, 0.01)  # share of pixels
    salt_share: Range = (0.3, 0.8)
    resize_share: Range = (0.5, 1.0)  # of width and of height, drawn apart
    jpeg_quality: Range = (40, 100)
    holes_chance: float = 1.0
    hole_coverage: Range = (0.025, 0.16)  # share of the picture, log-uniform

    # Realistic: the print itself.
    sound_chance: float = 0.10  # pictures that are left nearly as they are, so that a model learns to do no harm
    oversharp_chance: float = 0.0  # of those: sharpened, or shrunk without averaging, in the target too
    sharpening: Range = (0.3, 2.5)  # how much of the fine detail is added once more
    subsampling: Range = (0.52, 0.9)  # to what share of its size it is shrunk
    severity: Range = (0.05, 1.0)  # of what befalls the whole print; 1 is heavy
    grey_chance: float = 0.35  # a print without colour; the target is grey too
    toned_share: float = 0.6  # of the grey prints: sepia, brown or cold tone, which a restored print keeps
    border_chance: float = 0.06  # a paper margin, in the target too
    fade_chance: float = 0.9
    black_lift: Range = (0.0, 0.42)  # darkest value at severity 1, of white = 1
    white_drop: Range = (0.0, 0.42)  # how far white falls at severity 1
    gamma: Range = (0.55, 1.8)  # log-uniform
    cast_chance: float = 0.75
    cast_strength: Range = (0.15, 1.0)  # share of the full tint at severity 1
    uneven_chance: float = 0.5
    uneven_strength: Range = (0.05, 0.40)  # relative change of brightness across the picture
    blur_chance: float = 0.6
    soft_sigma_px: Range = (0.4, 2.2)
    grain_chance: float = 0.8
    grain_std: Range = (2 / 255, 34 / 255)
    dye_share: float = 0.3  # of the colour prints: the grain is coloured
    grain_size_px: Range = (0.4, 1.4)  # sigma of the grain's correlation
    halftone_chance: float = 0.03
    paper_chance: float = 0.06  # silk or honeycomb paper
    sensor_noise_chance: float = 0.5
    sensor_noise_std: Range = (1 / 255, 26 / 255)
    rescan_chance: float = 0.4  # scanned at a lower resolution and enlarged
    rescan_share: Range = (0.45, 0.95)
    jpeg_chance: float = 0.6

    # Realistic: local damage.
    damage_chance: float = 0.85
    sparse_chance: float = 0.0  # of the damaged pictures: a few pieces of one kind, and nothing else
    outline_chance: float = 0.8  # of using real outlines where a folder of them is given
    outline_rate: Range = (0.2, 1.2)
    outline_px: float = 900.0  # that one outline may cover at scale 1: larger blots are no scratches to fill
    film_chance: float = 0.0  # of layers of damage as it lies on scanned film, where whole-frame maps are given
    film_layers: Range = (1, 4)
    film_zoom: Range = (0.4, 1.5)  # log-uniform, of the map; damage keeps its places and its full width
    scratch_chance: float = 0.65
    scratch_rate: Range = (0.4, 4.0)
    crack_chance: float = 0.3
    crack_rate: Range = (0.15, 0.8)
    fold_chance: float = 0.25
    dust_chance: float = 0.5
    dust_rate: Range = (1.0, 25.0)
    hair_chance: float = 0.3
    hair_rate: Range = (0.2, 1.5)
    stain_chance: float = 0.06
    loss_chance: float = 0.15  # emulsion gone in patches
    loss_rate: Range = (0.2, 1.2)
    torn_chance: float = 0.06  # a corner is gone
    torn_edge_chance: float = 0.05  # a strip along a side is gone
    opacity: Range = (0.5, 1.0)  # of damage at its core
    light_share: float = 0.65  # of scratches, cracks, dust and hairs: paper shows through; the others are dark
    visible_step: float = 24.0  # grey levels of 255 from which a change counts as damage in the mask
    hidden_by_grain: float = 3.0  # times the mean fine contrast around: what else a change must exceed to be seen

    def __post_init__(self) -> None:
        numbers = {name for name, value in vars(self).items() if not isinstance(value, str)}
        factors = {"enlarge", "fine_scan", "gamma", "film_zoom", "subsampling", "resize_share", "rescan_share"}
        sizes = {name for name in numbers if name.endswith(("_rate", "_px"))} | {"hole_coverage"}
        parts = {name for name in numbers if name.endswith(("_chance", "_share", "_std"))} - factors
        parts |= {"hole_coverage", "salt_pepper_amount", "black_lift", "white_drop", "opacity"}
        refuse_outside(self, 0, 10_000, *sorted(numbers))
        refuse_outside(self, 1e-6, 10_000, *sorted(sizes))  # a chance of 0 is what leaves something out
        refuse_outside(self, 0, 1, *sorted(parts))
        refuse_outside(self, 0.01, 100, *sorted(factors))
        refuse_outside(self, 1, 100, "jpeg_quality")
        refuse_outside(self, 0, 2, "severity")


# The first two are what models are measured with: damage in proportion to the picture, and every picture aged. They
# must not change, or figures could no longer be compared; what came later is in the third alone. The second was set so
# that methods which learn nothing fare about as on the benchmark that our targets come from (in brackets): photos at
# 510 px come in at 17.2 dB and SSIM 0.51 (16.7, 0.50), OpenCV with the true mask gives 19.0 dB and 0.60 (18.9, 0.60),
# a top-hat finds the damage with F1 0.51 (0.54) and AUC 0.87 (0.915): benchmarks/bench_recipes.py.
PUBLISHED = Recipe(name="published", published_share=1.0, enlarge=(1.0, 1.0))
REALISTIC = Recipe(
    name="realistic",
    published_share=0.0,
    enlarge=(1.0, 1.0),
    sound_chance=0.0,
    severity=(0.4, 1.0),
    border_chance=0.0,
    halftone_chance=0.0,
    paper_chance=0.0,
    grain_std=(4 / 255, 28 / 255),
    sensor_noise_std=(1 / 255, 12 / 255),
    damage_chance=1.0,
    outline_chance=0.0,
    film_chance=1.0,
    film_layers=(3, 8),
    opacity=(0.6, 1.0),
    fold_chance=0.5,
    scratch_chance=0.0,
    dust_chance=0.0,
    hair_chance=0.0,
    crack_chance=0.0,
    stain_chance=0.0,
    loss_chance=0.0,
    torn_chance=0.0,
    torn_edge_chance=0.0,
)
MIXED = Recipe(  # to train with: all that occurs, sound photos among it
    name="mixed",
    published_share=0.4,
    burnt_chance=0.2,
    decoy_chance=0.15,
    sparse_chance=0.2,
    oversharp_chance=0.3,
    outline_chance=0.5,
    outline_rate=(0.5, 8.0),
    outline_px=250.0,
    film_chance=0.5,
    film_layers=(1, 6),
    opacity=(0.4, 1.0),
    scratch_rate=(0.4, 6.0),
)
RECIPES: Mapping[str, Recipe] = {recipe.name: recipe for recipe in (PUBLISHED, REALISTIC, MIXED)}


def by_name(name: str) -> Recipe:
    """The recipe called published, realistic or mixed. Raises UsageProblem for any other name."""
    try:
        return RECIPES[name]
    except KeyError:
        raise UsageProblem(f"there is no recipe called {name!r}", hint=f"choose one of {', '.join(RECIPES)}") from None


def from_table(table: Mapping[str, object]) -> Recipe:
    """A recipe from a TOML table: `name` picks the base (mixed if absent), every other key replaces one of its fields.

    Raises UsageProblem for an unknown key, or a value that is not what the field asks for.
    """
    base = by_name(str(table.get("name", "mixed")))
    kinds = {field.name: getattr(base, field.name) for field in fields(base)}
    changes: dict[str, object] = {}
    for key, value in table.items():
        if key not in kinds:
            raise UsageProblem(f"a recipe has no setting {key!r}", hint=f"known settings: {', '.join(kinds)}")
        if key != "name":
            changes[key] = _as_range(key, value) if isinstance(kinds[key], tuple) else _as_number(key, value)
    try:
        return replace(base, **changes)  # type: ignore[arg-type]  # each value was checked against its field above
    except ValueError as error:
        raise UsageProblem(f"recipe setting {error}", hint="see restore_cli/training/recipes.py") from error


def _as_number(key: str, value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise UsageProblem(f"recipe setting {key!r} must be a number, not {value!r}")


def _as_range(key: str, value: object) -> Range:
    if isinstance(value, (list, tuple)) and len(value) == 2:
        low, high = (_as_number(key, end) for end in value)
        if low <= high:
            return low, high
    raise UsageProblem(f"recipe setting {key!r} must be a pair [low, high], not {value!r}")
