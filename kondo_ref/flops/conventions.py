"""Conventions: what one number is made of typed counts, and what others report for the same step.

A convention of the first kind is a view on `Counts` and works stage by stage, for any gate. One of
the second kind reproduces a tool or a formula of a paper: it knows a dense step alone, forward and
backward, and comes with the difference to the products that we count, line by line; the lines sum
to the difference exactly (`conventions_reports`). No figure is shown without its convention's name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kondo_ref import checks
from kondo_ref.flops.counts import Counts


@dataclass(frozen=True)
class Convention:
    """A view on typed counts.

    Parameters
    ----------
    name : str
    unit : str
    formula : str
    of : callable
        From counts to the number.
    """

    name: str
    unit: str
    formula: str
    of: Callable[[Counts], int]


def _matmul(counts: Counts) -> int:
    return counts.matmul


def _macs(counts: Counts) -> int:
    return counts.matmul // 2


def _scalar(counts: Counts) -> int:
    return counts.matmul + counts.scalar


VIEWS: Mapping[str, Convention] = {
    c.name: c
    for c in (
        Convention("matmul", "FLOP", "2 m k n a product, nothing else", _matmul),
        Convention("macs", "MAC", "m k n a product, nothing else", _macs),
        Convention("scalar", "FLOP", "2 m k n a product, 1 any other operation", _scalar),
    )
}


@dataclass(frozen=True)
class Source:
    """A tool or a formula that is reproduced.

    Parameters
    ----------
    name : str
    unit : str
    formula : str
        R rows or tokens, N parameters, T tokens a sequence, L blocks, H heads of width W.
    source : str
    """

    name: str
    unit: str
    formula: str
    source: str


FLOP_COUNTER = "torch.utils.flop_counter.FlopCounterMode, as measured with torch 2.13"
FVCORE = "fvcore.nn.FlopCountAnalysis, as measured with fvcore 0.1.5.post20221221"
KAPLAN = "Kaplan et al., Scaling Laws for Neural Language Models, arXiv 2001.08361, Table 1"

SOURCES: Mapping[str, Source] = {
    s.name: s
    for s in (
        Source(
            "torch",
            "FLOP",
            "2 m k n of mm, addmm, bmm, baddbmm; attention as its products, later keys too",
            f"{FLOP_COUNTER}; attention written out, or scaled_dot_product_attention on meta",
        ),
        Source(
            "torch-fused",
            "FLOP",
            "as torch, and q k^T once more in the backward of the attention",
            f"{FLOP_COUNTER}; the flash, efficient and cuDNN attention of CUDA",
        ),
        Source(
            "torch-cpu",
            "FLOP",
            "as torch, but nothing for the attention, for whose CPU kernel there is no rule",
            f"{FLOP_COUNTER}; scaled_dot_product_attention on the CPU",
        ),
        Source(
            "fvcore",
            "MAC",
            "m k n of linear, matmul, bmm, ...; 5 an entry of a LayerNorm; forward alone",
            f"{FVCORE}; attention written out",
        ),
        Source(
            "fvcore-sdpa",
            "MAC",
            "as fvcore, but nothing for the attention, which it does not know",
            f"{FVCORE}; scaled_dot_product_attention",
        ),
        Source(
            "palm",
            "FLOP",
            "(6 N + 12 L H W T) R, N all parameters",
            "Chowdhery et al., PaLM, arXiv 2204.02311, Appendix B",
        ),
        Source(
            "kaplan",
            "FLOP",
            "3 (2 N + 2 L T H W) R, N = 2 D L (2 H W + F)",
            KAPLAN,
        ),
        Source(
            "kaplan-6n",
            "FLOP",
            "6 N R, N = 2 D L (2 H W + F)",
            f"{KAPLAN} and Section 2.1",
        ),
        Source(
            "chinchilla",
            "FLOP",
            "3 (2 R V D + L (6 R D H W + 4 R T H W + 3 R T H + 2 R H W D + 4 R D F) + 2 R D V)",
            "Hoffmann et al., Training Compute-Optimal Large Language Models, arXiv 2203.15556, "
            "Appendix F",
        ),
        Source(
            "6nd",
            "FLOP",
            "6 N R, N all parameters",
            "Hoffmann et al., arXiv 2203.15556, Section 3.3: FLOPs(N, D) = 6 N D",
        ),
    )
}

NAMES = (*VIEWS, *SOURCES)


def view(name: str) -> Convention:
    """Return a convention by its name, one that works on typed counts.

    Raises
    ------
    ValueError
        No such name, or one that knows dense steps alone.
    """
    checks.one_of("convention", name, NAMES)
    if name not in VIEWS:
        raise ValueError(
            f"convention: {name} counts dense steps alone; with a gate expected one of "
            f"{', '.join(VIEWS)}"
        )
    return VIEWS[name]
