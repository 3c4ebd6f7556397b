"""The audit: what somebody's implementation of DG or the Kondo gate really computes and executes.

target -> subject (surface, framework) -> probes (crafted batches) -> observations (coefficients,
gates, executed rows) -> identified estimator -> held to a claim -> findings -> report.
Nothing of the target's source is read; everything is recovered from what it returns and runs.
"""
