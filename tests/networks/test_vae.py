import pytest
import torch

from restore_cli.networks import VAE, VAE_RELEASED, VAEConfig

OURS = VAEConfig(width=8, latent=48, blocks=1, norm="none", output="linear", patch_skip=True)


def test_the_latent_is_a_quarter_of_the_photo():
    vae = VAE(VAEConfig(width=8, latent=8, blocks=1))
    photo, latent = vae(torch.rand(1, 3, 32, 48) * 2 - 1)
    assert latent.shape == (1, 8, 8, 12)
    assert photo.shape == (1, 3, 32, 48)
    assert photo.abs().max() <= 1


def test_an_untrained_vae_with_patch_skip_hands_photos_through():
    """Up to what the small random convolutions of the encoder add."""
    torch.manual_seed(0)
    photo = torch.rand(1, 3, 32, 48) * 2 - 1
    vae = VAE(OURS)
    with torch.no_grad():
        vae.encoder.down2.conv.weight.zero_()
        vae.encoder.down2.conv.bias.zero_()
    assert torch.allclose(vae(photo)[0], photo, atol=1e-6)


def test_noise_changes_the_reconstruction_but_not_the_latent():
    vae, photo = VAE(OURS), torch.rand(1, 3, 32, 32) * 2 - 1
    still, moved = vae(photo), vae(photo, noise_std=1.0)
    assert torch.equal(still[1], moved[1])
    assert not torch.equal(still[0], moved[0])


def test_released_size():
    with torch.device("meta"):
        parameters = sum(p.numel() for p in VAE(VAE_RELEASED).parameters())
    assert round(parameters / 1e6, 2) == 0.87


def test_patch_skip_needs_room_for_a_patch():
    with pytest.raises(ValueError, match="48"):
        VAEConfig(latent=32, patch_skip=True)
