"""What a report shows of a factorisation: the table itself where it is small, what is near to what, a map."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from dlkit.algorithms.w2v_map import plane
from dlkit.pictures import figures
from dlkit.pictures.exhibits import Drawn, Made, Sheet
from dlkit.pictures.labels import labelled

if TYPE_CHECKING:
    from dlkit.algorithms.mf_asked import AskedRatings

SMALL = 20
"""Users, and items, up to which the whole table is shown."""
ASKED, NEAR = 15, 5
"""Items whose neighbours are shown, and how many of each."""
LEAST_ON_MAP, ON_MAP = 10, 60


def exhibits(model: "AskedRatings") -> Iterator[Made | str]:
    """Of the items that were rated most often."""
    if len(model.users) <= SMALL and len(model.items) <= SMALL:
        yield _table(model)
    known = np.flatnonzero(model._known_items)
    if not model._host.q.shape[1] or len(known) < 3:
        return
    times = np.bincount(model.seen.columns, minlength=len(model.items))
    chosen = known[np.argsort(-times[known], kind="stable")]
    rows = []
    for item in chosen[:ASKED].tolist():
        (found,) = model.similar([model.items[item]], {"top": NEAR})
        near = zip(found.columns[-2], found.columns[-1], strict=True)
        said = ", ".join(f"{name} {cosine:.2f}" for name, cosine in near)
        rows.append((model._called(item), f"{times[item]:,}", said))
    told = "Of the items with most ratings, those whose factors point in the most similar direction (cosine)."
    yield Sheet("What is near to what", told, ("item", "ratings", "nearest"), rows)
    if len(known) < LEAST_ON_MAP:
        return
    if not figures.available():
        yield 'a map of the items needs matplotlib: pip install "dlkit[report]"'
        return
    names = [model._called(item) for item in chosen[:ON_MAP].tolist()]
    told = (
        f"The {len(names)} items with most ratings by the two directions in which their factors differ most."
    )
    yield Drawn("Map of items", told, labelled(plane(model._units[chosen[:ON_MAP]]), names))


def _table(model: "AskedRatings") -> Sheet:
    """Every user's predicted rating of every item; what was rated stands in front of it."""
    host = model._host
    scores = host.mu + host.bu[:, None] + host.bi[None, :] + host.p @ host.q.T
    found = model.clipped(scores.astype(np.float64))
    low, high = float(found.min()), float(found.max())
    rows = []
    for user, name in enumerate(model.users):
        rated = dict(zip(*(part.tolist() for part in model.seen.of(user)), strict=True))
        cells = [f"{rated[i]:g} → {x:.2f}" if i in rated else f"{x:.2f}" for i, x in enumerate(found[user])]
        rows.append((name, *cells))
    told = "What each user is predicted to say of each item, with the rating that was learnt from in front."
    shades = ((found - low) / ((high - low) or 1)).tolist()
    titles = [model._called(item) for item in range(len(model.items))]
    return Sheet("The table, filled", told, ("user", *titles), rows, shades)
