"""One transformer block on buffers: BLAS for the products, a kernel for each thing between them.

`kondo_ref.models.block` says what a block is, and names its parameters. R rows come in, Q of them
ask and go out; a backward has R rows of prefixes, of which K asked: query, projection and
feed-forward run backward on those alone.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref.backends import numba_layers as layers
from kondo_ref.backends.numba_activations import Activations, Scratch, Stream, taken
from kondo_ref.backends.numba_attention import attention_backward, attention_forward
from kondo_ref.backends.numba_kernels import bias_forward, bias_relu_forward, relu_backward
from kondo_ref.backends.numba_packing import Reach
from kondo_ref.models.transformer import Transformer
from kondo_ref.parameters import Parameters

Array = NDArray[Any]

PRODUCTS = ("query_key_value", "projection", "expand", "contract")


def view(parameters: Parameters, name: str, size: int = 0) -> Array:
    """Return a view of a parameter or gradient; zeros of its own for what the model has not."""
    found = parameters.views.get(name)
    return np.zeros(size, parameters.dtype) if found is None else found


class Norm:
    """A normalization: gain and offset, and their gradients.

    Parameters
    ----------
    parameters, gradient : Parameters
        Of the model; views of them are kept.
    name : str
        As ``block1_norm1``.
    """

    def __init__(self, parameters: Parameters, gradient: Parameters, name: str) -> None:
        self._p, self._d = (
            (of[f"{name}_gain"], view(of, f"{name}_offset", of[f"{name}_gain"].size))
            for of in (parameters, gradient)
        )

    def forward(self, stream: Stream, normed: Array, inverse: Array) -> None:
        """Bring the stream up to date and normalize it."""
        delta, bias = stream.delta, stream.bias
        if bias is None:
            delta, bias = delta[:0], self._p[1]
        layers.norm_forward(stream.x, delta, bias, *self._p, normed, inverse, stream.normed)

    def again(self, normed: Array, rows: Array, out: Array) -> Array:
        """Return what it gave in some rows: cheaper than to keep it."""
        layers.scaled_rows(normed, rows, *self._p, out)
        return out

    def backward(self, dout: Array, normed: Array, inverse: Array, rows: Array, dx: Array) -> None:
        """Fill the gradients; add to dx (K, D) what it passes on. `rows` are the forward's."""
        layers.norm_backward(dout, normed, inverse, rows, self._p[0], *self._d, dx)


class Block:
    """The parameters of one block and their gradients.

    Parameters
    ----------
    model : Transformer
    parameters, gradient : Parameters
        Of the model; views of them are kept.
    number : int
        Which block, from 1.
    """

    def __init__(
        self, model: Transformer, parameters: Parameters, gradient: Parameters, number: int
    ) -> None:
        names = {short: f"block{number}_{short}" for short in (*PRODUCTS, "norm1", "norm2")}
        self._relu, self._biases = model.activation == "relu", model.biases
        self._norm1 = Norm(parameters, gradient, names["norm1"])
        self._norm2 = Norm(parameters, gradient, names["norm2"])
        self._p, self._d = ({s: of[names[s]] for s in PRODUCTS} for of in (parameters, gradient))
        self._bias, self._dbias = (
            {s: view(of, f"{names[s]}_bias", of[names[s]].shape[1]) for s in PRODUCTS}
            for of in (parameters, gradient)
        )

    def forward(self, stream: Stream, a: Activations) -> None:
        """Take the stream through the block; the rows that ask go out.

        Parameters
        ----------
        stream : Stream
            Of R rows; of Q rows afterwards.
        a : Activations
            Receives everything.

        Notes
        -----
        Cost: matmul 2 R D 2 D for keys and values, 2 Q D D for queries, and that of `rest`.
        """
        self.norm(stream, a)
        queries, normed = a.asking.queries, stream.normed
        if queries.size == normed.shape[0]:
            self.attend(normed, a.rows)
        else:
            width, weight = normed.shape[1], self._p["query_key_value"]
            np.matmul(normed, weight[:, width:], out=a.rows[:, width:])
            a.rows[queries, :width] = np.matmul(normed[queries], weight[:, :width])
            if self._biases:
                bias_forward(a.rows, self._bias["query_key_value"])
            stream.only(queries)
        self.rest(stream, a)

    def norm(self, stream: Stream, a: Activations) -> None:
        """Normalize the stream for queries, keys and values."""
        self._norm1.forward(stream, a.normed1, a.inverse1)

    def attend(self, normed: Array, out: Array) -> None:
        """Fill `out` (R, 3 D) with query, key and value of the rows `normed` (R, D)."""
        np.dot(normed, self._p["query_key_value"], out=out)
        if self._biases:
            bias_forward(out, self._bias["query_key_value"])

    def rest(self, stream: Stream, a: Activations) -> None:
        """Take the rows that ask through attention and feed-forward.

        Parameters
        ----------
        stream : Stream
            Of the Q rows that ask.
        a : Activations
            Has query, key and value; receives the others.

        Notes
        -----
        Cost: matmul 2 Q D D for the projection, 4 Q D F for the feed-forward, and the attention's.
        """
        attention_forward(a.rows, a.asking, a.powers, a.scale, a.context)
        np.dot(a.context, self._p["projection"], out=stream.delta)
        stream.bias = self._bias["projection"]
        self._norm2.forward(stream, a.normed2, a.inverse2)
        if self._relu:
            (hidden,) = a.hidden
            np.dot(stream.normed, self._p["expand"], out=hidden)
            bias_relu_forward(hidden, self._bias["expand"])
        else:
            hidden, inner, cdf = a.hidden
            np.dot(stream.normed, self._p["expand"], out=inner)
            layers.gelu_forward(inner, self._bias["expand"], cdf, hidden)
        np.dot(hidden, self._p["contract"], out=stream.delta)
        stream.bias = self._bias["contract"]

    def backward(self, dout: Array, a: Activations, reach: Reach, scratch: Scratch) -> Array:
        """Fill the gradients of the block's parameters; return dx.

        The forward, last line first: out = middle + activation(norm2(middle) @ expand) @ contract
        and middle = x + attention(norm1(x)) @ projection.

        Parameters
        ----------
        dout : (K, D) float
            Changed.
        a : Activations
        reach : Reach
            The R rows, and the K among them that asked.
        scratch : Scratch

        Returns
        -------
        (R, D) float
            In place of `dout` if all rows asked, else in the scratch.

        Notes
        -----
        Cost: twice the forward's products, the attention's backward and the layers' between them.
        """
        asked, rows = reach.asked, reach.rows
        normed, dnormed, context, dcontext, dquery, hidden, dhidden = scratch.asked.of(asked.size)
        hidden = taken(a.hidden[0], asked, hidden)
        self._product("contract", hidden, dout, dhidden)
        if self._relu:
            relu_backward(dhidden, hidden, self._dbias["expand"])
        else:
            _, inner, cdf = a.hidden
            layers.gelu_backward(dhidden, inner, cdf, asked, self._dbias["expand"])
        np.dot(self._norm2.again(a.normed2, asked, normed).T, dhidden, out=self._d["expand"])
        np.dot(dhidden, self._p["expand"].T, out=dnormed)
        self._norm2.backward(dnormed, a.normed2, a.inverse2, asked, dout)
        self._product("projection", taken(a.context, asked, context), dout, dcontext)

        normed, dnormed, drows, dx = scratch.rows.of(rows.size)
        every = asked.size == rows.size
        left = (a.rows, a.powers, a.scale, a.asking.first)
        attention_backward(dcontext, *left, reach, drows if every else dquery, drows)
        self._norm1.again(a.normed1, rows, normed)
        if every:
            self._product("query_key_value", normed, drows, dnormed)
            dx = dout
        else:
            self._apart(normed, drows, dquery, reach.queries, dnormed)
            dx.fill(0)
            dx[reach.queries] = dout
        self._norm1.backward(dnormed, a.normed1, a.inverse1, rows, dx)
        return dx

    def _product(self, name: str, x: Array, dout: Array, dx: Array) -> None:
        """Fill the gradients of a product, from out = x @ weight + bias, and dx."""
        np.dot(x.T, dout, out=self._d[name])
        if self._biases:
            layers.column_sums(dout, self._dbias[name])
        np.dot(dout, self._p[name].T, out=dx)

    def _apart(
        self, normed: Array, drows: Array, dquery: Array, queries: Array, dnormed: Array
    ) -> None:
        """Do the same for query, key and value, where only some rows asked.

        Parameters
        ----------
        normed : (R, D) float
        drows : (R, 3 D) float
            Key and value in it; its first D columns are not looked at.
        dquery : (K, D) float
        queries : (K,) int64
            The rows that asked.
        dnormed : (R, D) float
        """
        name, width = "query_key_value", normed.shape[1]
        weight, dweight, dkey_value = self._p[name], self._d[name], drows[:, width:]
        np.matmul(normed.T, dkey_value, out=dweight[:, width:])
        np.matmul(normed[queries].T, dquery, out=dweight[:, :width])
        np.matmul(dkey_value, weight[:, width:].T, out=dnormed)
        layers.add_at(np.matmul(dquery, weight[:, :width].T), queries, dnormed)
        if self._biases:  # what stands where the queries would is summed, and written over
            layers.column_sums(drows, self._dbias[name])
            layers.column_sums(dquery, self._dbias[name][:width])
