"""Decisions by the losses of past epochs: a lower learning rate, and the end of training."""

import math
from dataclasses import dataclass

# torch's own defaults for ReduceLROnPlateau, which row A6 of the literature used.
PLATEAU_FACTOR, PLATEAU_PATIENCE, PLATEAU_THRESHOLD = 0.1, 10, 1e-4


@dataclass
class Plateau:
    """The factor on the learning rate: a tenth after more than 10 epochs without a loss lower by 1e-4 of itself."""

    factor: float = 1.0
    best: float = math.inf
    waited: int = 0

    def epoch(self, loss: float) -> None:
        """Update the factor by the loss of an epoch, summed over its images."""
        if loss < self.best * (1 - PLATEAU_THRESHOLD):
            self.best, self.waited = loss, 0
        else:
            self.waited += 1
        if self.waited > PLATEAU_PATIENCE:
            self.factor, self.waited = self.factor * PLATEAU_FACTOR, 0


@dataclass
class Patience:
    """The end of training, after `epochs` epochs in a row without a lower validation loss; none if that is 0."""

    epochs: int
    best: float = math.inf
    waited: int = 0

    @property
    def lost(self) -> bool:
        """Whether training is over."""
        return 0 < self.epochs <= self.waited

    def epoch(self, loss: float) -> None:
        """Update by the validation loss after an epoch."""
        self.waited = 0 if loss < self.best else self.waited + 1
        self.best = min(self.best, loss)
