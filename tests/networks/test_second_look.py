"""The colours of a whole photo, and the look that knows them."""

import torch

from restore_cli.networks import SecondLook, SecondLookConfig
from restore_cli.networks.colour_evidence import ColourCount
from restore_cli.networks.half_size import shrunk
from restore_cli.networks.second_look import SEEN_ONCE_PX, believed, evidence_of, octaves


def strewn_photo() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A brown print with ten specks of paper white that were found, and a broad stroke of the same that was not."""
    generator = torch.Generator().manual_seed(0)
    photo = torch.tensor([0.1, -0.1, -0.4])[:, None, None] + 0.1 * torch.randn(3, 96, 128, generator=generator)
    logits = torch.full((96, 128), -4.0)
    for number in range(10):
        speck = (slice(8, 16), slice(4 + 12 * number, 12 + 12 * number))
        photo[:, speck[0], speck[1]] = 0.9
        logits[speck] = 4.0
    stroke = torch.zeros(96, 128, dtype=torch.bool)
    stroke[50:80, 20:100] = True
    photo[:, stroke] = 0.9
    return photo, logits, stroke


def test_what_has_the_colour_of_found_damage_stands_out() -> None:
    photo, logits, stroke = strewn_photo()
    logits[stroke] = 0.0  # unsure, so not counted
    by_colour, _, by_brightness, *_ = evidence_of(photo[None], believed(logits[None, None], None))[0].maps(
        shrunk(photo)
    )
    inner = stroke[::2, ::2]
    outer = ~inner
    outer[:10] = False  # where the specks are
    for evidence in (by_colour, by_brightness):
        assert evidence[inner].min() > 1
        assert evidence[outer].mean() < -1


def test_without_damage_no_colour_speaks_for_any() -> None:
    photo, _, stroke = strewn_photo()
    evidence = evidence_of(photo[None], torch.full((1, 1, 48, 64), -4.0))[0].maps(shrunk(photo))
    assert evidence[0].max() <= 0
    assert evidence[0][stroke[::2, ::2]].mean() < -1


def test_a_photo_may_be_counted_piece_by_piece() -> None:
    photo, logits, _ = strewn_photo()
    whole, pieces = ColourCount(photo.device), ColourCount(photo.device)
    told = believed(logits[None, None], None)[0]
    whole.add(photo, told)
    for top, bottom in ((0, 17), (17, 48)):
        pieces.add(photo[:, 2 * top : 2 * bottom], told[:, top:bottom])
    small = shrunk(photo)
    assert torch.equal(whole.evidence().maps(small), pieces.evidence().maps(small))


def test_what_was_found_from_farther_away_tells_colours_too() -> None:
    """Without it the broad stroke would speak for its colour being sound."""
    photo, logits, stroke = strewn_photo()
    logits[stroke] = -4.0
    farther = torch.where(stroke[::2, ::2], 4.0, -4.0)[None, None]
    inner = stroke[::2, ::2]
    alone, together = (
        evidence_of(photo[None], believed(logits[None, None], opinion))[0].maps(shrunk(photo))[0][inner].mean()
        for opinion in (None, farther)
    )
    assert together > 1 > alone


def test_a_small_photo_is_seen_once_and_a_large_one_down_to_a_small_one() -> None:
    assert [octaves(side, 4000) for side in (1, SEEN_ONCE_PX - 1, SEEN_ONCE_PX, 3000)] == [1, 1, 3, 5]


def test_a_second_look_that_has_not_learned_changes_nothing() -> None:
    photo, logits, _ = strewn_photo()
    told = believed(logits[None, None], None)
    network = SecondLook(SecondLookConfig()).eval()
    for farther in (None, told):
        with torch.no_grad():
            seen_again = network(photo[None], logits[None, None], evidence_of(photo[None], told), farther)
        assert torch.equal(seen_again[0, 0], logits)
