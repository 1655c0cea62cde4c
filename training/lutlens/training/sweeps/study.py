"""The study that workers share: where it is kept, and which trials it gives up or repeats."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

HEARTBEAT_S, GRACE_S = 30, 120
"""A worker says so often that it lives; a trial of one that has not for so long is repeated."""
RETRIES = 2

HOPELESS = 0.015
"""A training is given up if it is so much less accurate than a network with fewer LUTs was then."""
PATIENCE = 0.25
"""Share of a training before which nothing is given up."""

JOURNAL = "journal:"
LUT, CURVE, FOLDER, LUTNET, BRAM36, VALIDATION = (
    *("lut", "curve", "folder", "lutnet", "bram36", "validation_accuracy"),
)
"""What trials are told with, beside parameters and values."""


class StudyError(ValueError):
    """A storage that cannot be opened, or a study of something else."""


def open_study(name: str, storage: str, settings: dict[str, Any], seed: int) -> optuna.Study:
    """Begin a study, or join it.

    storage: a URL as SQLAlchemy takes it, or `journal:FILE`, which also works on network file systems.
    settings: what all workers have to agree on.

    Raises StudyError.
    """
    sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    try:
        study = optuna.create_study(
            study_name=name,
            storage=_storage(storage),
            sampler=sampler,
            directions=["maximize", "minimize"],
            load_if_exists=True,
        )
    except (ArgumentError, SQLAlchemyError, ImportError, OSError) as error:
        raise StudyError(f"--storage {storage}: {error}") from error
    for key, value in settings.items():
        known = study.user_attrs.get(key)
        if known is None:
            study.set_user_attr(key, value)
        elif known != value:
            raise StudyError(f"--study {name}: was begun with {key} = {known}, not {value}")
    return study


def _storage(storage: str) -> BaseStorage:
    if storage.startswith(JOURNAL):
        path = Path(storage.removeprefix(JOURNAL))
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(path)))
    url = make_url(storage)
    if url.drivername == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        retry = optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=RETRIES)
        return RDBStorage(
            storage,
            heartbeat_interval=HEARTBEAT_S,
            grace_period=GRACE_S,
            heartbeat_stale_trial_callback=retry,
        )


def is_hopeless(study: optuna.Study, lut: int, curve: dict[str, float]) -> bool:
    """Whether a network with fewer LUTs was far better at the same point of its training.

    curve: share of the training to validation accuracy, the latest last.
    """
    share, accuracy = next(reversed(curve.items()))
    if float(share) < PATIENCE:
        return False
    others = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return any(
        _at(other, share) - accuracy > HOPELESS for other in others if other.user_attrs[LUT] <= lut
    )


def _at(trial: FrozenTrial, share: str) -> float:
    curve: dict[str, float] = trial.user_attrs[CURVE]
    return curve.get(share, 0.0)
