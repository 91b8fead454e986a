"""The packages that the trackers of --log-to need, which are extras."""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution

from search.declaration import SettingsError

PACKAGES = {"mlflow": "mlflow-skinny", "wandb": "wandb"}


def require_packages(log_to: Iterable[str]) -> None:
    """Raise SettingsError where the package of a tracker, which a value of --log-to names, is not installed."""
    for given in log_to:
        package = PACKAGES[given.partition(":")[0]]
        try:
            distribution(package)
        except PackageNotFoundError:
            raise SettingsError(f"{given}: the package {package} is missing; pip install {package}") from None
