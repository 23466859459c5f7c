import numpy as np

from restore_cli.restoration.tone import blend, is_sound, stretch


def test_stretch_reaches_both_ends():
    unit = np.array([[[0.2, 0.4, 0.6]]], np.float32)
    assert stretch(unit).tolist() == [[[0, 0.5, 1]]] or np.allclose(stretch(unit), [[[0, 0.5, 1]]])


def test_16_bit_results_use_all_levels():
    """A smooth ramp keeps steps finer than 8 bits: no banding."""
    ramp = np.linspace(0.4, 0.6, 2000, dtype=np.float32)[None, :, None].repeat(3, axis=2)
    result = blend(np.zeros((1, 2000, 3), np.uint16), ramp, 1.0)
    assert len(np.unique(result[0, :, 0])) == 2000


def test_grey_stays_grey_by_luma():
    unit = np.zeros((2, 2, 3), np.float32)
    unit[..., 1] = 1
    result = blend(np.zeros((2, 2, 1), np.uint8), unit, 1.0)
    assert result.shape == (2, 2, 1)
    assert (result == round(0.587 * 255)).all()


def test_a_photo_hardly_changed_is_sound_and_a_repaired_spot_is_not():
    image = np.full((100, 100, 3), 100, np.uint8)
    rounded, repaired = image.copy(), image.copy()
    rounded[::2] += 1
    repaired[:5, :5] = 200
    assert is_sound(image, rounded)
    assert not is_sound(image, repaired)
