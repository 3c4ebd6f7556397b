"""The precision of a selection: how many of the kept tokens are right.

A delight is an advantage times a surprisal. One advantage a sequence, shared by its tokens, times
a surprisal for each token, ranks the least expected tokens of the best sequences first. Whether
these are the right ones is counted here: the kept tokens against all tokens of the sequences that
they are from, and against the batch. So is how many of them come after the first wrong token of
their sequence, where a prefix reward no longer looks.
"""

import numpy as np

from kondo_ref.checks import BoolArray
from kondo_ref.screening import Screening


class Precision:
    """Sums over updates."""

    def __init__(self) -> None:
        self.kept = self.all = self.kept_right = self.all_right = self.kept_late = 0
        self.sequence_late = self.sequence_right = self.kept_surprisal = self.all_surprisal = 0.0

    def add(self, screening: Screening, right: BoolArray) -> None:
        """Add an update.

        Parameters
        ----------
        screening : Screening
            Of a batch (B, T) whose last H positions are the decisions.
        right : (B, H) bool
            Which of them are correct.
        """
        decisions = np.s_[:, screening.weight.shape[1] - right.shape[1] :]
        kept, surprisal = screening.weight[decisions] > 0, screening.surprisal[decisions]
        self.kept += int(np.count_nonzero(kept))
        self.all += right.size
        self.kept_right += int(np.count_nonzero(right & kept))
        self.all_right += int(np.count_nonzero(right))
        self.sequence_right += float(kept.sum(axis=1) @ right.mean(axis=1))
        late = np.zeros_like(right)
        late[:, 1:] = ~np.logical_and.accumulate(right, axis=1)[:, :-1]
        self.kept_late += int(np.count_nonzero(late & kept))
        self.sequence_late += float(kept.sum(axis=1) @ late.mean(axis=1))
        self.kept_surprisal += float(surprisal[kept].sum(dtype=np.float64))
        self.all_surprisal += float(surprisal.sum(dtype=np.float64))

    def shares(self) -> dict[str, float | None]:
        """Return the shares of correct tokens, and mean surprisals in nat; None of none.

        ``sequence_correct`` is the mean, over the kept tokens, of the share of correct tokens in
        the sequence of each: with it ``kept_correct`` has to be compared. ``kept_after_error`` and
        ``sequence_after_error`` are the same of the tokens that come after a wrong one.
        """
        return {
            "kept_correct": self.kept_right / self.kept if self.kept else None,
            "sequence_correct": self.sequence_right / self.kept if self.kept else None,
            "kept_after_error": self.kept_late / self.kept if self.kept else None,
            "sequence_after_error": self.sequence_late / self.kept if self.kept else None,
            "batch_correct": self.all_right / self.all,
            "kept_surprisal": self.kept_surprisal / self.kept if self.kept else None,
            "batch_surprisal": self.all_surprisal / self.all,
        }
