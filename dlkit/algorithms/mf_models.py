"""The models of mf by name."""

from dlkit.algorithms.mf_als import ALS, ALSSpec
from dlkit.algorithms.mf_baseline import Baseline, BaselineSpec
from dlkit.algorithms.mf_model import RatingModel
from dlkit.algorithms.mf_nmf import NMF, NMFSpec
from dlkit.algorithms.mf_svd import SVD, SVDSpec
from dlkit.algorithms.mf_svdpp import SVDPlusPlus, SVDPlusPlusSpec
from dlkit.algorithms.protocol import Context
from dlkit.recipe.schema import Spec

CLASSES: dict[type[Spec], type[RatingModel]] = {
    SVDSpec: SVD,
    SVDPlusPlusSpec: SVDPlusPlus,
    NMFSpec: NMF,
    ALSSpec: ALS,
    BaselineSpec: Baseline,
}


def model_for(spec: Spec, users: int, items: int, context: Context) -> RatingModel:
    """The model that a recipe's `model` asks for."""
    return CLASSES[type(spec)](spec, users, items, context)
