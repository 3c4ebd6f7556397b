"""The audit inside a project's own tests: two lines for a target."""

from losses import dg_loss

from kondo_ref.audit import assert_conforms


def test_dg_loss_is_dg():
    """Everything that the audit checks, in one test."""
    assert_conforms(dg_loss, claim="dg", framework="torch")
