"""Which features and how many images order models best for their cost: `python tests/benchmarks/feature_choice.py`.

Trains two small models, keeps each at several ages, and draws 4,096 samples from every one, all from the same noise.
For each feature layer and n it asks: how often are two models 4-25 % apart put in the wrong order, with independent and
with common noise; how far is FMD at n above its value at 4,096 for the best and the worst model; how much does it
scatter, and what does the standard error say; what does a score cost. How far apart two models are is the geometric
mean over the layers, which must agree on their order. Prints a Markdown table; about 10 minutes on one core.
"""

import argparse
import itertools
import time
from dataclasses import dataclass

import numpy as np
import torch

from trainables.config import Flat, Variant
from trainables.data.images import Images
from trainables.data.load import load
from trainables.diffusion.generation import generate, sampling_source
from trainables.metric.classifier import WIDTHS, Classifier, features, load_weights
from trainables.metric.feature_network import Layer
from trainables.metric.fmd import Reference
from trainables.metric.frechet import Statistics, frechet_distance, standard_error
from trainables.training.trainer import Trainer

# Two runs whose models are no relatives of each other, at ages of a laptop's rungs.
RUNS: tuple[Flat, ...] = ({"training/lr": 2e-3}, {"training/lr": 5e-3, "network/cnn/activation": "silu"})
AGES = (10_000, 13_000, 17_000, 22_000, 29_000, 37_000)  # images seen
SIZES = (128, 256, 512, 1024)
GAPS = (0.04, 0.25)  # closer models are ties to any n; farther ones are ordered by any n


@dataclass(frozen=True)
class Row:
    """What one layer and n are worth; the errors as shares of FMD."""

    wrong_independent: float
    wrong_common: float
    bias_best: float
    bias_worst: float
    variation: float
    standard_error: float
    score_seconds: float


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=4096, help="images drawn from each model")
    parser.add_argument("--draws", type=int, default=40, help="subsets drawn for each n")
    options = parser.parse_args()
    torch.set_num_threads(1)
    images = load("mnist")
    started = time.process_time()
    samples = [x for number, run in enumerate(RUNS) for x in draw_models(images, run, number, options.samples)]
    print(f"{len(samples)} models, {options.samples} samples each: {time.process_time() - started:.0f} CPU-seconds\n")
    print(
        "| features | n | wrong order, independent noise | common noise | bias, best / worst model | variation ", end=""
    )
    print("| its estimate | scoring |\n|" + " --- |" * 8)
    judged = [Judged.of(images, samples, layer) for layer in WIDTHS]
    pairs = close_pairs(np.array([layer.truth for layer in judged]))
    for layer, n in itertools.product(judged, SIZES):
        row = layer.row(images, samples, n, options.draws, pairs)
        print(
            f"| {layer.name} | {n} | {row.wrong_independent:.1%} | {row.wrong_common:.1%} "
            f"| {row.bias_best:.2f} / {row.bias_worst:.2f} | {row.variation:.1%} | {row.standard_error:.1%} "
            f"| {row.score_seconds:.2f} s |",
            flush=True,
        )
    for layer in judged:
        print(f"\n{layer.name} at {options.samples}: {np.array2string(layer.truth, precision=3)}")
    print(f"{len(pairs)} pairs of models")


def draw_models(images: Images, run: Flat, seed: int, count: int) -> list[np.ndarray]:
    """Samples uint8 (count, 1, 28, 28) of one model at each age, all from the same noise."""
    variant = Variant.from_flat(run)
    train, seen, unseen = (torch.from_numpy(x) for x in (images.train, images.overlays_train, images.overlays_sample))
    trainer = Trainer(variant, seed, train, seen, AGES[-1])
    source = sampling_source(trainer.source, unseen)
    drawn = []
    for age in AGES:
        trainer.run_to(age)
        drawn.append(generate(trainer.averaged(), variant.sampler, count, (1, 28, 28), source, 0).numpy())
    return drawn


@dataclass(frozen=True)
class Judged:
    """Features of all models' samples in one layer, and FMD at all samples, which counts as the truth."""

    name: Layer
    features: list[np.ndarray]
    truth: np.ndarray

    @classmethod
    def of(cls, images: Images, samples: list[np.ndarray], layer: Layer) -> "Judged":
        """The models as `layer` sees them."""
        classifier, real = load_weights(images.name).classifier(), Reference.build(images, layer=layer).real
        x = [features(classifier, model, layer) for model in samples]
        return cls(layer, x, np.array([frechet_distance(Statistics.from_features(model), real) for model in x]))

    def row(self, images: Images, samples: list[np.ndarray], n: int, draws: int, pairs: list[tuple[int, int]]) -> Row:
        """The row of one n: each draw takes the same noise from every model, different draws different noise."""
        reference = Reference.build(images, n=n, layer=self.name)
        rng = np.random.default_rng(n)
        picks = [rng.choice(len(samples[0]), n, replace=False) for _ in range(draws)]
        values = [
            [frechet_distance(Statistics.from_features(x[pick]), reference.real) for pick in picks]
            for x in self.features
        ]
        fmd = np.array(values)
        error = [standard_error(x[picks[0]], reference.real) for x in self.features]
        bias = fmd.mean(1) / self.truth
        return Row(
            *wrong_orders(fmd, pairs),
            bias_best=bias[self.truth.argmin()],
            bias_worst=bias[self.truth.argmax()],
            variation=float((fmd.std(1, ddof=1) / fmd.mean(1)).mean()),
            standard_error=float((error / fmd.mean(1)).mean()),
            score_seconds=score_seconds(reference, samples[0][:n], load_weights(images.name).classifier()),
        )


def score_seconds(reference: Reference, images: np.ndarray, classifier: Classifier) -> float:
    """CPU-seconds that scoring takes, features included."""
    started = time.process_time()
    reference.score(images, classifier)
    return time.process_time() - started


def close_pairs(truth: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (better, worse) of models whose order all layers agree on, `GAPS` apart; truth (layers, models)."""
    ratio = truth[:, None, :] / truth[:, :, None]
    gap = np.exp(np.log(ratio).mean(0)) - 1
    close = (ratio > 1).all(0) & (gap >= GAPS[0]) & (gap <= GAPS[1])
    return [(int(better), int(worse)) for better, worse in np.argwhere(close)]


def wrong_orders(fmd: np.ndarray, pairs: list[tuple[int, int]]) -> tuple[float, float]:
    """Share of `pairs` ordered wrongly by FMD (models, draws): from different draws, and from the same."""
    wrong = np.array([fmd[better][:, None] >= fmd[worse][None, :] for better, worse in pairs])
    same = np.eye(fmd.shape[1], dtype=bool)
    return float(wrong[:, ~same].mean()), float(wrong[:, same].mean())


if __name__ == "__main__":
    main()
