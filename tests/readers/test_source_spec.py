"""The name of a data set stands for its files wherever a recipe says what to learn from."""

import pytest

from dlkit.algorithms.active_recipe import ActiveDataSpec
from dlkit.algorithms.w2v_recipe import CorpusSpec
from dlkit.readers.decisions import DecisionSpec
from dlkit.readers.pair_spec import PairsSpec
from dlkit.readers.sequence_spec import SequencesSpec
from dlkit.recipe.schema import Spec


@pytest.mark.parametrize(
    ("spec", "given", "expected"),
    [
        (ActiveDataSpec, "mnist", {"train": "mnist/train", "test": "mnist/test"}),
        (SequencesSpec, "sms_spam", {"train": "sms_spam/SMSSpamCollection"}),
        (CorpusSpec, "newsgroups20", {"train": "newsgroups20", "encoding": "latin-1"}),
        (
            PairsSpec,
            "small_parallel_enja",
            {
                "train": "small_parallel_enja/train",
                "valid": "small_parallel_enja/dev",
                "test": "small_parallel_enja/test",
                "source": "ja",
                "target": "en",
            },
        ),
        (PairsSpec, ["a.ja", "a.en"], {"train": ["a.ja", "a.en"]}),
        (DecisionSpec, "arms.csv", {"train": "arms.csv"}),
    ],
)
def test_a_bare_value_is_a_known_set_or_the_training_file(
    spec: type[Spec], given: object, expected: dict
) -> None:
    assert spec.model_validate(given) == spec.model_validate(expected)
