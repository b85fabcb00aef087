"""How good translations are: BLEU and chrF by sacrebleu, and the share that is exactly right."""

from collections.abc import Sequence
from importlib.util import find_spec

from dlkit.errors import UsageError


def available() -> bool:
    """Whether sacrebleu is installed."""
    return find_spec("sacrebleu") is not None


def need_sacrebleu(where: str) -> None:
    """Raises UsageError where it is not installed."""
    if not available():
        raise UsageError(
            "BLEU needs sacrebleu, which is not installed", where=where, hint="pip install 'dlkit[mt]'"
        )


def translation_figures(
    found: Sequence[tuple[str, str]], wanted: Sequence[tuple[str, str]], tokenize: str, *, scores: bool
) -> dict[str, float]:
    """Figures of translations against references, each given as (words between blanks, as it is written).

    BLEU (Papineni et al. 2002) is of the words, chrF (Popovic 2015) of the sentences as they are written,
    both from 0 to 100. scores: whether to compute them; sequence accuracy, the share of equal sentences,
    always is.
    """
    right = sum(f == w for (f, _), (w, _) in zip(found, wanted, strict=True))
    made = {"sequence_accuracy": right / max(len(wanted), 1)}
    if scores:
        from sacrebleu.metrics import BLEU, CHRF

        bleu = BLEU(tokenize=tokenize, force=True)
        made["bleu"] = bleu.corpus_score([f for f, _ in found], [[w for w, _ in wanted]]).score
        made["chrf"] = CHRF().corpus_score([f for _, f in found], [[w for _, w in wanted]]).score
    return made
