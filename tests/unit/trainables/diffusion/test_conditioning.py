"""Networks that know classes: labels dropped in training, drawn in sampling, and followed by guidance."""

from dataclasses import replace

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from tests.helpers.diffusion import MakeSource
from trainables.config import Sampling
from trainables.diffusion.degradations import Gaussian
from trainables.diffusion.generation import draw_labels, generate, in_rows
from trainables.diffusion.process import Diffusion, Guidance
from trainables.diffusion.samplers import SAMPLERS, nfe, strided
from trainables.diffusion.schedules import Cosine
from trainables.diffusion.source import PIXELS
from trainables.diffusion.targets import TARGETS
from trainables.metric.restoration import CHUNK, losses_by_t, one_step_at, restore_by_sampling

CLASSES, T = 3, 40
COUNTS = torch.tensor([10, 30, 60])


class Known(nn.Module):
    """A network whose answer is its label's grey, -0.4 for an unknown one; it counts its calls and keeps the labels."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.seen = 0, torch.empty(0, dtype=torch.long)
        self.greys = torch.tensor([0.1, 0.2, 0.3, -0.4])

    def forward(self, x: Tensor, time: Tensor, label: Tensor) -> Tensor:
        self.calls, self.seen = self.calls + 1, label
        return self.greys[label].view(-1, 1, 1, 1).expand_as(x)


def make(network: nn.Module, **changes: object) -> Diffusion:
    diffusion = Diffusion(Cosine(T=T).alpha_bar().float(), Gaussian(), network, "x0", PIXELS["-1..1"])
    return replace(diffusion, label_counts=COUNTS, label_drop=0.25, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [0.0, 0.5, 2.0])
def test_guidance_leads_from_the_unknown_label_to_beyond_the_known(scale: float) -> None:
    labels, x_t, t = torch.arange(CLASSES), torch.zeros(CLASSES, 1, 4, 4), torch.full((CLASSES,), 20)
    x0 = make(Known()).given(labels, Guidance(scale)).restore(x_t, t)
    conditional = torch.tensor([0.1, 0.2, 0.3])
    expected = conditional + scale * (conditional + 0.4)
    torch.testing.assert_close(x0[:, 0, 0, 0], expected.clamp(max=1))


def test_guidance_moves_eps_as_it_moves_x0() -> None:
    """Ho & Salimans guide eps; x0_hat is linear in it, so that both are the same rule."""
    labels, x_t, t = torch.arange(CLASSES), torch.full((CLASSES, 1, 4, 4), 0.05), torch.full((CLASSES,), 20)
    diffusion, network = make(Known(), target="eps"), Known()
    step = diffusion.step(t)
    eps = 1.5 * network(x_t, step.time, labels) - 0.5 * network(x_t, step.time, torch.full_like(labels, CLASSES))
    expected = TARGETS["eps"].solve(x_t, eps, step.over(x_t)).clamp(-1, 1)
    torch.testing.assert_close(diffusion.given(labels, Guidance(0.5)).restore(x_t, t), expected)


@pytest.mark.parametrize("guidance", [Guidance(), Guidance(0.3), Guidance(0.3, 0.2, 0.8), Guidance(0.3, 0.5, 0.5)])
@pytest.mark.parametrize("steps", [1, 2, 10, 10 * T])
@pytest.mark.parametrize("kind", SAMPLERS)
def test_the_network_is_called_as_often_as_said(
    kind: str, steps: int, guidance: Guidance, make_source: MakeSource
) -> None:
    network, x_T = Known(), torch.zeros(2, 1, 28, 28)
    given = make(network).given(torch.tensor([0, 2]), guidance)
    list(SAMPLERS[kind](given, x_T, x_T, strided(T, steps), make_source()))
    assert network.calls == nfe(kind, strided(T, steps), guidance)


def test_ten_steps_guided_from_a_fifth_to_four_fifths_take_seventeen_calls() -> None:
    assert nfe("ancestral", strided(1000, 10), Guidance(0.4, 0.2, 0.8)) == 17


@pytest.mark.parametrize(("t", "T"), [(7, 35), (29, 100), (200, 1000)])
def test_the_ends_of_the_interval_are_guided(t: int, T: int) -> None:
    assert Guidance(0.3, t / T, t / T).at(t, T)
    assert not Guidance(0.3, t / T, t / T).at(t + 1, T)
    assert not Guidance(0.3, t / T, t / T).at(t - 1, T)


def test_training_drops_the_share_of_labels_that_it_should(make_source: MakeSource, digits: Tensor) -> None:
    network, source, kept = Known(), make_source(), 0
    labels = torch.arange(128) % CLASSES
    network.greys.requires_grad_()
    given = make(network).given(labels)
    for _ in range(20):
        given.loss(source.pixels.to_model(digits), source)
        assert ((network.seen == labels) | (network.seen == CLASSES)).all()
        kept += int((network.seen == labels).sum())
    assert stats.binomtest(kept, 20 * 128, 0.75).pvalue > 1e-4


def test_an_image_without_a_label_or_with_one_of_no_training_image_is_unknown() -> None:
    network, x_t, t = Known(), torch.zeros(2, 1, 4, 4), torch.full((2,), 20)
    make(network).restore(x_t, t)
    assert network.seen.tolist() == [CLASSES, CLASSES]
    make(network).given(torch.tensor([1, CLASSES + 4])).restore(x_t, t)
    assert network.seen.tolist() == [1, CLASSES]
    held_out = replace(make(network), label_counts=torch.tensor([10, 0, 60]))
    held_out.given(torch.tensor([1, 2])).restore(x_t, t)
    assert network.seen.tolist() == [CLASSES, 2]


def test_sampling_draws_labels_as_often_as_training_has_them(make_source: MakeSource) -> None:
    labels = draw_labels(make(Known()), 3_000, 5)
    assert labels is not None
    assert stats.chisquare(labels.bincount(), COUNTS.numpy() * 30).pvalue > 1e-4
    other = draw_labels(make(Known()), 3_000, 6)
    assert other is not None
    assert not torch.equal(labels, other)


def test_a_sample_is_of_its_label_in_every_chunk(make_source: MakeSource) -> None:
    n, source = 600, make_source()
    samples = generate(make(Known()), Sampling(steps=2), n, (1, 4, 4), source, 7)
    labels = draw_labels(make(Known()), n, 7)
    assert labels is not None
    expected = source.pixels.to_uint8(Known().greys[labels])
    assert torch.equal(samples[:, 0, 0, 0], expected)


def test_a_restoration_has_the_labels_of_its_images_in_every_chunk(make_source: MakeSource) -> None:
    source, labels = make_source(), torch.arange(2 * CHUNK + 9) % CLASSES
    x0 = source.pixels.to_uint8(Known().greys[labels].view(-1, 1, 1, 1).expand(-1, 1, 16, 16))
    given = make(Known()).given(labels)
    assert one_step_at(given, x0, [T], source, 0)[T].quality.rmse == 0
    assert restore_by_sampling(given, Sampling(steps=2), x0, [T], source, 0)[T].rmse == 0
    assert losses_by_t(given, x0, [T], source, 0)[T] < 1 / 255**2  # of the rounding of x0
    assert one_step_at(make(Known()), x0, [T], source, 0)[T].quality.rmse > 0.1


def test_a_network_without_classes_has_the_same_noise_as_one_with(make_source: MakeSource) -> None:
    class Echo(nn.Module):
        def forward(self, x: Tensor, time: Tensor, *label: Tensor) -> Tensor:
            return x

    one, other = make(Echo()), replace(make(Echo()), label_counts=None)
    samples = (generate(d, Sampling(kind="ddim", steps=3), 8, (1, 4, 4), make_source(), 1) for d in (one, other))
    assert torch.equal(*samples)


def test_a_picture_has_a_row_for_each_label_with_enough_samples() -> None:
    samples = torch.arange(12, dtype=torch.uint8).view(12, 1, 1, 1)
    labels = torch.tensor([2, 0, 0, 2, 1, 0, 2, 0, 1, 2, 2, 0])
    assert in_rows(samples, labels, 4).flatten(1).tolist() == [[1, 2, 5, 7], [0, 3, 6, 9]]
    assert in_rows(samples, labels, 3).flatten(1).tolist() == [[1, 2, 5], [0, 3, 6]]
    assert in_rows(samples, None, 3).flatten(1).tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert in_rows(samples[:5], labels[:5], 4).flatten(1).tolist() == [[0, 1, 2, 3]]
    assert in_rows(samples[:2], None, 4).shape == (0, 4, 1, 1, 1)
