"""Collapsed Gibbs sampling for latent Dirichlet allocation (Griffiths & Steyvers 2004), sparsely.

A token of word w in document d gets topic k with probability proportional to

    (n_dk + alpha_k) phi_wk,        phi_wk = (n_wk + beta) / (n_k + V beta),

all counts without the token itself. Going through the tokens word by word, as F+LDA does (Yu, Hsieh, Yun,
Vishwanathan & Dhillon 2015), this is two sums of different cost:

    n_dk phi_wk       over the few topics that the document has, kept as a list of (topic, times),
    alpha_k phi_wk    over all topics, in a tree of partial sums that a change of two topics updates in
                      2 log2 K additions.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel


def lda_sample_reference(
    words: Any, ends: Any, documents: Any, draws: Any, word_topics: Any, totals: Any, alpha: Any, beta: float,
    starts: Any, listed: Any, sizes: Any, z: Any, changes: Any,
) -> None:  # fmt: skip
    """One sweep over a part of the tokens, against the counts as they stood before it and its own changes.

    words: (m,) int64, distinct; ends: (m + 1,) int64: tokens ends[i]:ends[i + 1] are of words[i]; documents:
    (n,) int32, of each token; draws: (n,) uniform in [0, 1); word_topics: (V, K) int32, n_wk; totals: (K,)
    int64, n_k; alpha: (K,). Document d lists its topics and how often each has a token of it in
    listed[starts[d] : starts[d] + sizes[d]], (L, 2) int32, with room for min(tokens, K) of them; starts:
    (D + 1,) int64, sizes: (D,) int32; both updated. z: (n,) int32, topic of each token, updated. changes:
    (m, K) int32: gets what n_wk of words[i] has changed by.
    """
    real, totals = alpha.dtype.type, totals.copy()
    smooth, base = real(beta), real(len(word_topics) * beta)
    for i, w in enumerate(words.tolist()):
        row = word_topics[w].copy()
        for t in range(ends[i], ends[i + 1]):
            d, old = documents[t], z[t]
            mine = listed[starts[d] : starts[d] + sizes[d]]
            phi = (row.astype(real) + smooth) / (totals.astype(real) + base)
            prior = alpha * phi
            phi[old] = (real(row[old] - 1) + smooth) / (real(totals[old] - 1) + base)
            topics = mine[:, 0]
            sums = np.cumsum((mine[:, 1] - (topics == old)).astype(real) * phi[topics], dtype=real)
            taken = prior[old] - alpha[old] * phi[old]  # the token's own share in the sums of the tree
            levels = _tree(prior)
            x = draws[t] * (sums[-1] + (levels[-1][0] - taken))
            if x < sums[-1]:
                new = int(topics[np.count_nonzero(sums <= x)])
            else:
                new = min(_found(levels, x - sums[-1], int(old), taken), len(alpha) - 1)
            if new == old:
                continue
            row[[old, new]] += np.array([-1, 1], np.int32)
            totals[[old, new]] += np.array([-1, 1])
            z[t] = new
            sizes[d] = _relisted(listed[starts[d] : starts[d + 1]], int(sizes[d]), int(old), new)
        changes[i] = row - word_topics[w]


def _tree(leaves: Any) -> list[Any]:
    """The leaves, padded by zeros to a power of two, and above them the sums of pairs, up to the whole."""
    levels = [np.zeros(1 << (len(leaves) - 1).bit_length(), leaves.dtype)]
    levels[0][: len(leaves)] = leaves
    while len(levels[-1]) > 1:
        levels.append(levels[-1][0::2] + levels[-1][1::2])
    return levels


def _found(levels: list[Any], x: Any, old: int, taken: Any) -> int:
    """The leaf where the running sum passes x, leaf `old` being smaller by `taken`."""
    at = 0
    for depth, level in reversed(list(enumerate(levels[:-1]))):
        at *= 2
        left = level[at] - taken if old >> depth == at else level[at]
        if x >= left:
            x, at = x - left, at + 1
    return at


def _relisted(listed: Any, size: int, old: int, new: int) -> int:
    """A token less for `old`, one more for `new` in a document's list; returns its size."""
    topics = listed[:size, 0].tolist()
    i = topics.index(old)
    if new in topics:
        listed[topics.index(new), 1] += 1
        listed[i, 1] -= 1
        if listed[i, 1] == 0:
            size -= 1
            listed[i] = listed[size]
    elif listed[i, 1] == 1:
        listed[i, 0] = new
    else:
        listed[i, 1] -= 1
        listed[size] = new, 1
        size += 1
    return size


def _lda_sample_cpu(
    words, ends, documents, draws, word_topics, totals, alpha, beta, starts, listed, sizes, z, changes
):
    real = alpha.dtype.type
    topics = alpha.size
    leaves = 1
    while leaves < topics:
        leaves *= 2
    tree = np.zeros(2 * leaves, alpha.dtype)
    phi, sums = np.empty(topics, alpha.dtype), np.empty(topics, alpha.dtype)
    row, n = np.empty(topics, np.int32), totals.copy()
    smooth, base = real(beta), real(word_topics.shape[0] * beta)
    first, last = np.uint64(leaves), np.uint64(topics - 1)
    for i in range(words.size):
        w = np.uint64(words[i])
        for k in range(topics):
            row[k] = word_topics[w, k]
            phi[k] = (real(row[k]) + smooth) / (real(n[k]) + base)
            tree[leaves + k] = alpha[k] * phi[k]
        for node in range(leaves - 1, 0, -1):
            tree[node] = tree[2 * node] + tree[2 * node + 1]
        for t in range(ends[i], ends[i + 1]):
            d, old = np.uint64(documents[t]), np.uint64(z[t])
            start, size = np.uint64(starts[d]), np.uint64(sizes[d])
            with_token = phi[old]
            phi[old] = (real(row[old] - 1) + smooth) / (real(n[old] - 1) + base)
            total, place = real(0), np.uint64(0)
            for j in range(size):
                topic = np.uint64(listed[start + j, 0])
                own = topic == old
                total += real(listed[start + j, 1] - np.int32(own)) * phi[topic]
                sums[j] = total
                if own:
                    place = np.uint64(j)
            taken = tree[first + old] - alpha[old] * phi[old]
            x = draws[t] * (total + (tree[1] - taken))
            found = np.uint64(0)
            if x < total:
                for j in range(size):
                    found += np.uint64(sums[j] <= x)
                new = np.uint64(listed[start + found, 0])
            else:
                new = _descend(tree, first, x - total, old, taken)
                new = min(new, last)
                found = _place_of(listed, start, size, new)
            if new == old:
                phi[old] = with_token
                continue
            sizes[d] = _list_anew(listed, start, size, place, found, new)
            z[t] = np.int32(new)
            row[old] -= np.int32(1)
            n[old] -= 1
            row[new] += np.int32(1)
            n[new] += 1
            phi[new] = (real(row[new]) + smooth) / (real(n[new]) + base)
            _replant(tree, first + old, alpha[old] * phi[old])
            _replant(tree, first + new, alpha[new] * phi[new])
        for k in range(topics):
            changes[i, k] = row[k] - word_topics[w, k]


def _place_of(listed, start, size, topic):
    """Where a document lists a topic; `size`: nowhere."""
    found = size
    for j in range(size):
        if np.uint64(listed[start + j, 0]) == topic:
            found = np.uint64(j)
    return found


def _list_anew(listed, start, size, place, found, new):
    """A token less at `place` of a document's list, one more for `new`, at `found` or behind the list."""
    if found < size:
        listed[start + found, 1] += np.int32(1)
        listed[start + place, 1] -= np.int32(1)
        if listed[start + place, 1] == 0:
            size -= np.uint64(1)
            listed[start + place, 0] = listed[start + size, 0]
            listed[start + place, 1] = listed[start + size, 1]
    elif listed[start + place, 1] == 1:
        listed[start + place, 0] = np.int32(new)
    else:
        listed[start + place, 1] -= np.int32(1)
        listed[start + size, 0] = np.int32(new)
        listed[start + size, 1] = np.int32(1)
        size += np.uint64(1)
    return np.int32(size)


def _descend(tree, first, x, old, taken):
    """The leaf where the running sum passes x; the leaf of `old` counts `taken` less."""
    node, depth = np.uint64(1), np.uint64(0)
    while (np.uint64(1) << depth) < first:
        depth += np.uint64(1)
    target = first + old
    while node < first:
        node += node
        depth -= np.uint64(1)
        left = tree[node] - taken if (target >> depth) == node else tree[node]
        if x >= left:
            x -= left
            node += np.uint64(1)
    return node - first


def _replant(tree, node, value):
    """Put a value into a leaf, and its sums above it."""
    tree[node] = value
    node >>= np.uint64(1)
    while node > np.uint64(0):
        tree[node] = tree[node + node] + tree[node + node + np.uint64(1)]
        node >>= np.uint64(1)


def _check_sample(
    words: Any, ends: Any, documents: Any, draws: Any, word_topics: Any, totals: Any, alpha: Any, beta: float,
    starts: Any, listed: Any, sizes: Any, z: Any, changes: Any,
) -> None:  # fmt: skip
    name, topics = "lda_sample", len(alpha)
    checks.flat(name, alpha)
    if topics < 1 or not beta > 0:
        raise ValueError(f"{name}: expected topics and a beta above 0, got {topics} and {beta}")
    checks.shaped(name, "word_topics", word_topics, (word_topics.shape[0], topics), np.int32)
    checks.shaped(name, "totals", totals, (topics,), np.int64)
    checks.shaped(name, "words", words, words.shape[:1], np.int64)
    checks.index(name, "words", words, len(word_topics))
    _check_tokens(name, ends, len(words), documents, z, starts, listed, sizes, topics)
    checks.shaped(name, "draws", draws, documents.shape, alpha.dtype)
    checks.shaped(name, "changes", changes, (len(words), topics), np.int32)


def _check_tokens(
    name: str, ends: Any, groups: int, documents: Any, z: Any, starts: Any, listed: Any, sizes: Any,
    topics: int,
) -> None:  # fmt: skip
    checks.shaped(name, "ends", ends, (groups + 1,), np.int64)
    checks.shaped(name, "documents", documents, documents.shape[:1], np.int32)
    checks.shaped(name, "z", z, documents.shape, np.int32)
    checks.shaped(name, "sizes", sizes, sizes.shape[:1], np.int32)
    checks.shaped(name, "starts", starts, (len(sizes) + 1,), np.int64)
    checks.shaped(name, "listed", listed, (len(listed), 2), np.int32)
    if ends[0] != 0 or ends[-1] != len(documents) or (np.diff(ends) < 0).any():
        raise ValueError(f"{name}: ends: expected to divide {len(documents)} tokens")
    if len(starts) and (starts[0] != 0 or starts[-1] != len(listed) or (np.diff(starts) < 0).any()):
        raise ValueError(f"{name}: starts: expected to divide a list of {len(listed)}")
    if len(z) and not (z.min() >= 0 and z.max() < topics):
        raise ValueError(f"{name}: z: expected topics below {topics}, got {z.min()} to {z.max()}")
    if len(z) and not (documents.min() >= 0 and documents.max() < len(sizes)):
        raise ValueError(f"{name}: documents: expected numbers below {len(sizes)}")


lda_sample = kernel(
    "lda_sample", lda_sample_reference, cpu=_lda_sample_cpu, check=_check_sample,
    updates="listed sizes z changes", exact=True,
)  # fmt: skip


def lda_list_reference(documents: Any, z: Any, topics: int, starts: Any, listed: Any, sizes: Any) -> None:
    """The topics of each document and how often it has each, in the order in which its tokens show them.

    documents, z: (n,) int32, document and topic (below `topics`) of each token; starts, listed, sizes: as in
    lda_sample, the sizes 0 for documents that have no token yet.
    """
    for d, k in zip(documents.tolist(), z.tolist(), strict=True):
        mine = listed[starts[d] : starts[d + 1]]
        known = mine[: sizes[d], 0].tolist()
        if k in known:
            mine[known.index(k), 1] += 1
        else:
            mine[sizes[d]] = k, 1
            sizes[d] += 1


def _lda_list_cpu(documents, z, topics, starts, listed, sizes):
    for t in range(documents.size):
        d, k = documents[t], z[t]
        j, end = starts[d], starts[d] + sizes[d]
        while j < end and listed[j, 0] != k:
            j += 1
        if j < end:
            listed[j, 1] += 1
        else:
            listed[j, 0] = k
            listed[j, 1] = 1
            sizes[d] += 1


def _check_list(documents: Any, z: Any, topics: int, starts: Any, listed: Any, sizes: Any) -> None:
    ends = np.array([0, len(documents)], np.int64)
    _check_tokens("lda_list", ends, 1, documents, z, starts, listed, sizes, topics)
    room = np.minimum(np.bincount(documents, minlength=len(sizes)), topics) + sizes
    if len(sizes) and (room > np.diff(starts)).any():
        raise ValueError("lda_list: starts: expected room for the topics of every document")


lda_list = kernel(
    "lda_list", lda_list_reference, cpu=_lda_list_cpu, check=_check_list, updates="listed sizes"
)


def lda_fold_in_reference(
    words: Any, counts: Any, ends: Any, phi: Any, alpha: Any, rounds: int, theta: Any
) -> None:
    """Topic shares of documents under fixed topics: EM for the mode of log p(words, theta).

        theta_k <- (alpha_k + sum_w c_w r_wk) / (alpha + N),   r_wk = theta_k phi_wk / sum_j theta_j phi_wj

    `rounds` times from theta = alpha / sum alpha; concave, so there is one mode. words: (n,) int32; counts:
    (n,); document d has entries ends[d]:ends[d + 1], (D + 1,) int64; phi: (V, K), p(w|k); alpha: (K,); theta:
    (D, K) gets the shares.
    """
    for d in range(len(theta)):
        mine = slice(ends[d], ends[d + 1])
        p, c = phi[words[mine]], counts[mine]
        share = alpha / alpha.sum()
        for _ in range(rounds):
            joint = share * p
            share = alpha + (c / joint.sum(axis=1)) @ joint
            share = share / (alpha.sum() + c.sum())
        theta[d] = share


def _lda_fold_in_cpu(words, counts, ends, phi, alpha, rounds, theta):
    real = alpha.dtype.type
    topics = alpha.size
    share, total = np.empty(topics, alpha.dtype), np.empty(topics, alpha.dtype)
    mass = real(0)
    for k in range(topics):
        mass += alpha[k]
    for d in range(theta.shape[0]):
        size = real(0)
        for t in range(ends[d], ends[d + 1]):
            size += counts[t]
        for k in range(topics):
            share[k] = alpha[k] / mass
        for _ in range(rounds):
            for k in range(topics):
                total[k] = alpha[k]
            for t in range(ends[d], ends[d + 1]):
                w = np.uint32(words[t])
                s = real(0)
                for k in range(topics):
                    s += share[k] * phi[w, k]
                s = counts[t] / s
                for k in range(topics):
                    total[k] += s * share[k] * phi[w, k]
            for k in range(topics):
                share[k] = total[k] / (mass + size)
        for k in range(topics):
            theta[d, k] = share[k]


def _check_fold_in(words: Any, counts: Any, ends: Any, phi: Any, alpha: Any, rounds: int, theta: Any) -> None:
    name = "lda_fold_in"
    documents, topics = checks.matrix(name, "theta", theta)
    checks.shaped(name, "phi", phi, (phi.shape[0], topics), theta.dtype)
    checks.shaped(name, "alpha", alpha, (topics,), theta.dtype)
    checks.shaped(name, "words", words, words.shape[:1], np.int32)
    checks.shaped(name, "counts", counts, words.shape, theta.dtype)
    checks.shaped(name, "ends", ends, (documents + 1,), np.int64)
    if ends[0] != 0 or ends[-1] != len(words) or (np.diff(ends) < 0).any():
        raise ValueError(f"{name}: ends: expected to divide {len(words)} entries")
    if len(words) and not (words.min() >= 0 and words.max() < len(phi)):
        raise ValueError(f"{name}: words: expected numbers below {len(phi)}")


lda_fold_in = kernel(
    "lda_fold_in", lda_fold_in_reference, cpu=_lda_fold_in_cpu, check=_check_fold_in, updates="theta"
)
