"""Audit -> JSON and back: the format kondo-ref/audit/1, whose JSON Schema is schema.json here.

Beyond what every reader needs (target, claim, verdict, identified, findings, environment) it holds
what it takes to run a finding's input again: surface, framework, options, parameters, seed.
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from kondo_ref import checks
from kondo_ref.audit.claims import claim_of
from kondo_ref.audit.options import Options
from kondo_ref.audit.request import Request
from kondo_ref.audit.verdict import SCHEMA, Audit, Claim, Finding, Trait
from kondo_ref.price import Calibrated, Fixed, Price, Quantile, Rolling

SCHEMA_FILE = Path(__file__).with_name("schema.json")


def audit_json(audit: Audit, request: Request | None = None) -> dict[str, Any]:
    """Return an audit as JSON values, numbers that are not finite as strings.

    Parameters
    ----------
    audit : Audit
    request : Request, optional
        What was asked for: with it the options of the call and the seed are told.
    """
    report = {
        "schema": SCHEMA,
        "target": audit.target,
        "surface": audit.surface,
        "framework": audit.framework,
        "claim": None if audit.claim is None else audit.claim.method,
        "parameters": None if audit.claim is None else claim_json(audit.claim),
        "verdict": audit.verdict,
        "identified": {
            name: {"value": t.value, "confidence": t.confidence, "evidence": t.evidence}
            for name, t in audit.identified.items()
        },
        "findings": [finding_json(f, audit.accepted.get(f.id)) for f in audit.findings],
        "stale": [{"id": i, "reason": audit.accepted.get(i, "")} for i in audit.stale],
        "options": {} if request is None else request.options.to_json(),
        "seed": 0 if request is None else request.seed,
        "environment": audit.environment,
    }
    plain: dict[str, Any] = json_values(report)
    return plain


def finding_json(finding: Finding, reason: str | None) -> dict[str, Any]:
    """Return a finding as a dict; `reason` is why it is accepted, None where it is not."""
    found = {f.name: getattr(finding, f.name) for f in fields(Finding)}
    return {**found, "accepted": reason}


def claim_json(claim: Claim) -> dict[str, Any]:
    """Return the parameters of a claim, as the options of the command line name them."""
    gate = claim.gate
    price: str | float | None = None
    rate = gate.rate
    match gate.price:
        case Fixed(value):
            price = value
        case Quantile(rate):
            price = "quantile"
        case Calibrated(rate):
            price = "calibrated"
        case Rolling(rate, history, warmup):
            price = f"rolling:{history}:{warmup}"
    takes = claim.method in ("dg", "kondo")
    return {
        "rate": rate,
        "price": price if takes else None,
        "temperature": gate.temperature if takes else None,
        "unit": "sample" if claim.samples else gate.unit,
        "normalizer": claim.normalizer,
        "skips": claim.skips,
        "baseline": claim.baseline,
    }


def json_values(value: Any) -> Any:
    """Return what JSON can hold: arrays as lists, numbers that are not finite as strings."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): json_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_values(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    return value if isinstance(value, float) and np.isfinite(value) else str(value)


def read_audit(text: str) -> tuple[Audit, Request]:
    """Return the audit that JSON of `audit_json` tells of, and the request that led to it.

    Raises
    ------
    ValueError
        It is no such JSON.
    """
    try:
        told = json.loads(text)
    except ValueError as error:
        raise ValueError(f"the JSON is not that of an audit ({error})") from None
    return audit_of(told)


def audit_of(told: Any) -> tuple[Audit, Request]:
    """Return the audit and the request that the values of such JSON tell of; errors as there."""
    try:
        if not isinstance(told, dict) or told.get("schema") != SCHEMA:
            raise ValueError(f"expected the schema {SCHEMA}")
        return _audit(told)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        reason = f"no {error} in it" if isinstance(error, KeyError) else error
        raise ValueError(f"the JSON is not that of an audit ({reason})") from None


def _audit(told: dict[str, Any]) -> tuple[Audit, Request]:
    parameters = dict(told["parameters"] or {})
    if told["claim"] == "kondo" and not isinstance(parameters["price"], str):
        parameters["rate"] = None
    if isinstance(parameters.get("price"), str):
        parameters["price"] = _price(parameters["price"])
    claim = claim_of(told["claim"], **parameters)
    known = {field.name for field in fields(Finding)}
    findings = tuple(
        Finding(**{key: value for key, value in f.items() if key in known})
        for f in told["findings"]
    )
    accepted = {f["id"]: f["accepted"] for f in told["findings"] if f["accepted"] is not None}
    stale = {entry["id"]: entry["reason"] for entry in told["stale"]}
    audit = Audit(
        told["target"],
        told["surface"],
        told["framework"],
        claim,
        told["verdict"],
        {name: Trait(**trait) for name, trait in told["identified"].items()},
        findings,
        {**accepted, **stale},
        tuple(stale),
        told["environment"],
    )
    request = Request(
        told["target"],
        told["surface"],
        told["framework"],
        claim,
        Options(**told["options"]),
        seed=checks.count("seed", told["seed"], 0),
    )
    return audit, request


def _price(word: str) -> str | float | Price:
    """Return a price as `claim_of` takes it; inf is a number that JSON has no form for."""
    return float(word) if word in ("inf", "-inf") else word
