"""What everyone else does, for the speed benchmarks: the starter's network and loop, and other libraries' loops.

Written from their descriptions, in float32 and NCHW as they have it. Each loop is a generator that yields the number of
images of each step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from trainables.networks.codes import TimeCode
from trainables.training.trainer import Trainer

WIDTHS = (1, 16, 32, 32, 16)
BATCH, T, RATE = 128, 1000, 2e-4
BETAS = (1e-4, 0.02)
Loop = Iterator[int]


class StarterCNN(nn.Module):
    """The starter's network: 7 x 7 convolutions, LayerNorm over (C, 28, 28), GELU; (x_t, t / T) -> eps."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, 7, padding=3), nn.LayerNorm((after, 28, 28)), nn.GELU())
            for before, after in pairwise(WIDTHS)
        )
        self.time = TimeCode(WIDTHS[1], nn.GELU)
        self.last = nn.Conv2d(WIDTHS[-1], 1, 3, padding=1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Return eps_hat (N, 1, 28, 28) for x_t (N, 1, 28, 28) and times (N,)."""
        first, *rest = self.blocks
        x = first(x) + self.time(time)[:, :, None, None]
        for block in rest:
            x = block(x)
        return self.last(x)


def in_starters_order(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return our network's weights as the starter has them: layer normalisation in (C, H, W), here in (H, W, C)."""
    return {
        name.removeprefix("network."): tensor.permute(2, 0, 1) if tensor.ndim == 3 else tensor
        for name, tensor in state.items()
    }


class Digits(Dataset[Tensor]):
    """Images as torchvision's MNIST gives them: each from bytes to a picture, then through the transforms."""

    def __init__(self, images: np.ndarray, transform: Any) -> None:
        """Hold uint8 images (N, 1, 28, 28)."""
        self.images, self.transform = images[:, 0], transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return self.transform(Image.fromarray(self.images[index]))


def endless(images: np.ndarray, *steps: Any, batch: int = BATCH) -> Iterator[Tensor]:
    """Yield batches for ever, from a DataLoader in this process: its workers would be further threads."""
    transform = transforms.Compose([transforms.ToTensor(), *steps])
    loader = DataLoader(Digits(images, transform), batch_size=batch, shuffle=True, drop_last=True)
    while True:
        yield from loader


def starter_loop(images: np.ndarray, device: str = "cpu") -> Loop:
    """The starter notebook's: t uniform, eps, MSE, Adam 2e-4, the loss read at each step for the progress bar."""
    torch.manual_seed(0)
    network = StarterCNN().to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    alpha_bar = torch.cumprod(1 - torch.linspace(*BETAS, T), 0).to(device)
    for x in endless(images, transforms.Normalize((0.5,), (1.0,))):
        x = x.to(device)
        optimizer.zero_grad()
        t = torch.randint(1, T, (len(x),), device=device)
        eps = torch.randn_like(x)
        share = alpha_bar[t, None, None, None]
        x_t = share.sqrt() * x + (1 - share).sqrt() * eps
        loss = functional.mse_loss(network(x_t, t / T), eps)
        loss.backward()
        optimizer.step()
        loss.item()
        yield len(x)


class StarterTrainer(Trainer):
    """Trains any variant by a loop like the starter's, with the averaged weights that all are sampled with."""

    def run_to(self, images_seen: int, after_step: Callable[[], None] = lambda: None) -> float:
        """Train until at least `images_seen` images were seen in all, and return the last loss."""
        while self.images_seen < images_seen:
            self._loss = next(self._steps)
            after_step()
        return self._loss

    @cached_property
    def _steps(self) -> Iterator[float]:
        network, average = self.diffusion.network.to(memory_format=torch.contiguous_format), self.ema
        diffusion = replace(self.diffusion, network=network, bf16=False)
        optimizer = torch.optim.Adam(network.parameters(), lr=self.settings.lr)
        pixels = self.source.pixels
        scale = transforms.Lambda(lambda x: x * (pixels.high - pixels.low) + pixels.low)
        for x in endless(self.images.numpy(), scale, batch=self.settings.batch):
            optimizer.zero_grad()
            loss = diffusion.loss(x, self.source)
            loss.backward()
            optimizer.step()
            self.images_seen, self.steps = self.images_seen + len(x), self.steps + 1
            decay = min(self.settings.ema, (1 + self.steps) / (10 + self.steps))
            for slow, fast in zip(average.parameters(), network.parameters(), strict=True):
                slow.data.lerp_(fast.data, 1 - decay)
            yield loss.item()


def diffusers_loop(images: np.ndarray, bf16: bool) -> Loop:
    """The training loop of diffusers' documentation ("Train a diffusion model"), with its optimizer and clipping.

    In bf16 as Accelerator(mixed_precision="bf16") has it, of which there can be only one kind in a process.
    """
    from accelerate import Accelerator
    from diffusers import DDPMScheduler
    from diffusers.optimization import get_cosine_schedule_with_warmup

    torch.manual_seed(0)
    scheduler = DDPMScheduler(num_train_timesteps=T)
    accelerator = Accelerator(cpu=True)
    model = StarterCNN()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    rate = get_cosine_schedule_with_warmup(optimizer, num_warmup_steps=500, num_training_steps=10**6)
    model, optimizer, rate = accelerator.prepare(model, optimizer, rate)
    for x in endless(images, transforms.Normalize((0.5,), (0.5,))):
        noise = torch.randn(x.shape)
        t = torch.randint(0, T, (len(x),), dtype=torch.int64)
        noisy = scheduler.add_noise(x, noise, t)
        with accelerator.accumulate(model):
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                prediction = model(noisy, (t + 1) / T).float()
            loss = functional.mse_loss(prediction, noise)
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            rate.step()
            optimizer.zero_grad()
        loss.detach().item()
        yield len(x)


class _ForLucidrains(nn.Module):
    """The starter's network as GaussianDiffusion calls a U-Net: t from 0 to T - 1, and what it asks of it."""

    channels = out_dim = 1
    self_condition = random_or_learned_sinusoidal_cond = False

    def __init__(self) -> None:
        super().__init__()
        self.network = StarterCNN()

    def forward(self, x: Tensor, t: Tensor, self_condition: None = None) -> Tensor:
        return self.network(x, (t + 1) / T)


def lucidrains_loop(images: np.ndarray) -> Loop:
    """The step of denoising-diffusion-pytorch's Trainer: GaussianDiffusion, clipped gradients, Adam, averaging."""
    from denoising_diffusion_pytorch import GaussianDiffusion
    from ema_pytorch import EMA

    torch.manual_seed(0)
    diffusion = GaussianDiffusion(
        _ForLucidrains(), image_size=28, timesteps=T, objective="pred_noise", beta_schedule="linear"
    )
    optimizer = torch.optim.Adam(diffusion.parameters(), lr=RATE, betas=(0.9, 0.99))
    average = EMA(diffusion, beta=0.995, update_every=10)
    for x in endless(images, transforms.RandomHorizontalFlip()):
        loss = diffusion(x)
        loss.item()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(diffusion.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average.update()
        yield len(x)


def smalldiffusion_loop(images: np.ndarray) -> Loop:
    """smalldiffusion's own training_loop, on its DDPM schedule."""
    from smalldiffusion import ModelMixin, ScheduleDDPM, training_loop

    class Model(StarterCNN, ModelMixin):  # type: ignore[misc]
        def forward(self, x: Tensor, sigma: Tensor, cond: None = None) -> Tensor:
            return super().forward(x / (1 + sigma**2).sqrt(), sigma.flatten().log() / 4)

    torch.manual_seed(0)
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    loader = DataLoader(Digits(images, transform), batch_size=BATCH, shuffle=True, drop_last=True)
    for step in training_loop(loader, Model(), ScheduleDDPM(N=T, beta_start=BETAS[0], beta_end=BETAS[1]), lr=RATE):
        yield len(step.x0)
