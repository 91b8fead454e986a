"""How a confirmation judges its trainings: by how many samples, and in which time it checks them."""

from search.reserve import Judging, check_seconds
from search.settings import Settings
from trainables.data.images import Images
from trainables.trial import TrialData

# With 256, as in a search, half of a good model's FMD is bias (trainables/evaluation.py); a GPU has time for as many as
# there are real ones.
SAMPLES = {"cpu": 2_048, "gpu": 5_000}


def samples_that_judge(settings: Settings, images: Images) -> int:
    """Return how many samples of each training a confirmation compares with real images."""
    most = SAMPLES["gpu" if settings.gpus_per_trial else "cpu"]
    return min(most, len(images.search), len(images.confirm))


def judging_of(settings: Settings, data: TrialData, samples: int | None = None) -> Judging:
    """Return how a confirmation judges, by so many samples or else by as many as a new one; `data` is the search's."""
    n = samples or samples_that_judge(settings, data.images)
    # On a GPU the checks take next to no time.
    checks = 0.0 if settings.gpus_per_trial else check_seconds(n, len(data.images.train))
    return Judging(n / data.reference.n, checks)
