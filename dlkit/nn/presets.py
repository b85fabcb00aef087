"""Whole networks that a recipe can name: ``model: lenet`` stands for the list below it.

The name is read into the list, so that the resolved recipe shows every layer. The output layer follows from
the data, as in any list.
"""

from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BeforeValidator, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from dlkit.nn.image_list import ImageLayerList

Plain = list[Any]


def lenet() -> Plain:
    """Two convolutions of 5×5 with pooling and a dense layer of 500, after LeCun et al. (1998).

    On 28×28×1 and 10 classes 520 + 25,050 + 625,500 + 5,010 = 656,080 parameters.
    """
    return [
        {"conv": {"filters": 20, "size": 5, "pad": "same"}},
        {"max_pool": 2},
        {"conv": {"filters": 50, "size": 5, "pad": "valid"}},
        {"max_pool": 2},
        {"dense": 500},
    ]


def resnet_small() -> Plain:
    """ResNet-20 for images of 32×32 (He et al. 2016, section 4.2): three stages of three blocks.

    16, 32 and 64 filters; where the shape changes the shortcut is a projection (their option B).
    """
    stages = [(16, 1), (32, 2), (64, 2)]
    blocks = [_block(filters, stride if k == 0 else 1) for filters, stride in stages for k in range(3)]
    return [*_normalised(16, 1), {"activation": "relu"}, *blocks, "global_pool"]


def _block(filters: int, stride: int) -> dict[str, Any]:
    layers = [*_normalised(filters, stride), {"activation": "relu"}, *_normalised(filters, 1)]
    return {"residual": {"layers": layers, "activation": "relu"}}


def _normalised(filters: int, stride: int) -> Plain:
    conv = {"filters": filters, "size": 3, "pad": "same", "activation": "identity", "bias": False}
    return [{"conv": conv if stride == 1 else {**conv, "stride": stride}}, "batch_norm"]


PRESETS = {"lenet": lenet, "resnet-small": resnet_small}


def written_out(value: Any) -> Any:
    """A preset's list for its name; anything else unchanged. Raises ValueError for a name of none."""
    if not isinstance(value, str):
        return value
    if value not in PRESETS:
        near = get_close_matches(value, PRESETS, 1)
        known = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(PRESETS)}"
        raise ValueError(f"expected a list of layers or a preset ({known})")
    return PRESETS[value]()


class _OrName:
    """Says in a field's JSON schema that a preset's name will do."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [{"enum": list(PRESETS)}, handler(schema)]}


ImageModel = Annotated[ImageLayerList, BeforeValidator(written_out), _OrName()]
"""Annotation of a recipe's field: a list of layers, or a preset's name."""
