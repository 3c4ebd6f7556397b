"""Mutants of the transformer's forward and backward: layers, attention, block, model."""

TABLE = (
    (
        "variance by width - 1",
        "layers.norm_forward",
        'np.einsum("nd,nd->n", normed, normed)[:, None] / width',
        'np.einsum("nd,nd->n", normed, normed)[:, None] / (width - 1)',
        "the_forward_is_that_of_plain_loops",
    ),
    (
        "epsilon outside the root",
        "layers.norm_forward",
        "np.sqrt(variance + NORM_EPSILON)",
        "(np.sqrt(variance) + NORM_EPSILON)",
        "the_forward_is_that_of_plain_loops",
    ),
    (
        "gelu by tanh",
        "layers.gelu_forward",
        "erf(x * x.real.dtype.type(0.5**0.5))",
        "np.tanh((2.0 / np.pi) ** 0.5 * (x + 0.044715 * x**3))",
        "the_forward_is_that_of_plain_loops",
    ),
    (
        "residual taken after the normalization",
        "models.block.block_forward",
        "rows = x\n",
        "rows = a\n",
        "the_forward_is_that_of_plain_loops",
    ),
    (
        "no final normalization",
        "models.transformer.Transformer.forward",
        "if self.final_norm:",
        "if False:",
        "the_forward_is_that_of_plain_loops",
    ),
    (
        "scores scaled by the model's width",
        "attention.attention_forward",
        "q.shape[3], group.allowed",
        "query.shape[1], group.allowed",
        "attention_is_a_mean_over_earlier_keys",
    ),
    (
        "heads interleaved",
        "attention._heads_of",
        "taken.reshape(n, t, heads, rows.shape[1] // heads)",
        "taken.reshape(n, t, -1, heads).swapaxes(2, 3)",
        "attention_is_a_mean_over_earlier_keys",
    ),
    (
        "softmax over the queries",
        "attention._causal_softmax",
        'np.einsum("nhqk->nhq", scores)[..., None]',
        'np.einsum("nhqk->nhk", scores)[..., None, :]',
        "attention_is_a_mean_over_earlier_keys",
    ),
    (
        "a token looks one ahead",
        "models.packing.Spans.groups",
        "np.arange(k) <= places",
        "np.arange(k) <= 1 + places",
        "later_tokens_change_nothing",
    ),
    (
        "positions go on through the batch",
        "models.packing.Packing.of",
        "cells % grid.shape[1],",
        "np.arange(cells.size) % grid.shape[1],",
        "padding_changes_nothing",
    ),
    (
        "dkey without the scale",
        "attention.attention_backward",
        "np.matmul(dscores.swapaxes(2, 3), q)",
        "np.matmul(dscores.swapaxes(2, 3), q) / scale",
        "attention_backward_is_the_derivative_along_a_direction",
    ),
    (
        "softmax differentiated entry by entry",
        "attention.attention_backward",
        'dscores -= np.einsum("nhqk,nhqk->nhq", dscores, p)[..., None]',
        "dscores *= 1 - p",
        "attention_backward_is_the_derivative_along_a_direction",
    ),
    (
        "dvalue from the scores",
        "attention.attention_backward",
        "np.matmul(p.swapaxes(2, 3), dout)",
        "np.matmul((p > 0).swapaxes(2, 3) * 1.0, dout)",
        "attention_backward_is_the_derivative_along_a_direction",
    ),
    (
        "inverse deviation not applied",
        "layers.norm_backward",
        "dx *= inverse",
        "pass",
        "backward_is_the_derivative_along_a_direction",
    ),
    (
        "variance taken for a constant",
        "layers.norm_backward",
        "dx -= normed * along",
        "pass",
        "backward_is_the_derivative_along_a_direction",
    ),
    (
        "gelu differentiated without its density",
        "layers.gelu_backward",
        "cdf + x * pdf",
        "cdf",
        "backward_is_the_derivative_along_a_direction",
    ),
    (
        "mean over rows for the bias",
        "layers.linear_backward",
        "np.add.reduce(dout, axis=0, out=dbias)",
        "np.mean(dout, axis=0, out=dbias)",
        "backward_is_the_derivative_along_a_direction",
    ),
    (
        "last of equal tokens wins in the embedding",
        "layers.embedding_backward",
        "dtable[ordered[starts]] = np.add.reduceat(dout[order], starts, axis=0)",
        "dtable[indices] = dout",
        "backward_is_the_derivative_along_a_direction",
    ),
    (
        "position embedding summed by row",
        "models.transformer.Transformer._backward",
        "cache.packing.positions",
        "np.arange(len(dx)) % self.length",
        "backward_is_the_derivative_along_a_direction",
    ),
    (
        "no residual around the attention in the backward",
        "models.block.block_backward",
        "dx[queries] += dmiddle",
        "pass",
        "backward_is_the_derivative_along_a_direction",
    ),
    (
        "no residual around the feed-forward in the backward",
        "models.block.block_backward",
        "dmiddle = dout + _feed",
        "dmiddle = _feed",
        "backward_is_the_derivative_along_a_direction",
    ),
    (
        "gain left out where a normalization is remade",
        "models.block._scaled",
        'normed * p[f"{name}_gain"]',
        "normed.copy()",
        "backward_is_the_derivative_along_a_direction",
    ),
    (
        "scale of the final normalization of other rows",
        "models.activations.Cache.select",
        "array[kept_rows] for array in self.final",
        "array[asking] for array in self.final",
        "skipping_is_the_dense_backward_with_dropped_tokens_zeroed",
    ),
    (
        "probabilities of other queries",
        "attention.select_probabilities",
        "group.queries if wanted.queries is None else wanted.queries[group.queries]",
        "group.queries",
        "skipping_is_the_dense_backward_with_dropped_tokens_zeroed",
    ),
    (
        "probabilities of other sequences",
        "attention.select_probabilities",
        "where[sequences[group.sequences]]",
        "where[group.sequences]",
        "skipping_is_the_dense_backward_with_dropped_tokens_zeroed",
    ),
    (
        "actions of kept tokens not gathered",
        "step.Learner.update",
        "actions.ravel()[kept]",
        "actions.ravel()[: kept.size]",
        "an_update_is_policy_gradient_through_the_dense_backward",
    ),
    (
        "recomputed for every token",
        "models.transformer.Transformer.recompute",
        "packing.take(prefixes), asking=prefixes.queries",
        "packing, asking=packing.row_of(kept)",
        "backward_runs_the_structural_minimum",
    ),
    (
        "queries multiplied on every row of the last block",
        "models.block.block_backward",
        (
            "da[queries] += _linear_backward(dquery, a[queries], p, d, "
            '"query_key_value", slice(width))'
        ),
        (
            "whole = np.zeros_like(dqkv[:, :width])\n"
            "        whole[queries] = dquery\n"
            '        da += _linear_backward(whole, a, p, d, "query_key_value", slice(width))'
        ),
        "backward_runs_the_structural_minimum",
    ),
    (
        "prefix to the end of its sequence",
        "models.packing.Packing.prefixes",
        "self.positions[kept[last]] + 1",
        "np.diff(self.offsets)[sequences]",
        "backward_runs_the_structural_minimum",
    ),
    (
        "attention's backward counted like its forward",
        "flops.layers.attention",
        "matmul=8 * head_width",
        "matmul=4 * head_width",
        "backward_runs_the_structural_minimum",
    ),
    (
        "dropped tokens masked instead of skipped",
        "models.transformer.Transformer.backward",
        "self._backward(parameters, self.select(cache, kept), dlogits, gradient)",
        (
            "whole = np.zeros((cache.packing.rows, self.actions), dlogits.dtype)\n"
            "    whole[cache.packing.row_of(kept)] = dlogits\n"
            "    self._backward(parameters, cache, whole, gradient)"
        ),
        "what_was_dropped_is_not_read",
    ),
)
