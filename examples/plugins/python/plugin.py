"""`junit.summary`: counts the tests of a JUnit report."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import Annotated

from shiro_step import Failure, log, step


@dataclass
class Config:
    report: Annotated[str, "The report: XML as JUnit, pytest, Maven and others write it."]
    max_failures: Annotated[int, "More failures and errors than this fail the step.", {"minimum": 0}] = 0


@dataclass
class Output:
    tests: Annotated[int, "How many tests there are."]
    failed: Annotated[int, "How many failed or broke."]
    skipped: Annotated[int, "How many were skipped."]
    seconds: Annotated[float, "How long they took."]
    failures: Annotated[list[str], "The names of those that failed."]


@step(name="junit.summary", version="1.0.0", summary="Counts the tests of a JUnit report, and fails if too many failed.")
def summarise(config: Config) -> Output:
    try:
        root = ET.fromstring(config.report)
    except ET.ParseError as error:
        raise Failure.permanent("invalid_report", f"the report is not XML: {error}") from error
    cases = list(root.iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    output = Output(
        tests=len(cases),
        failed=len(failed),
        skipped=sum(case.find("skipped") is not None for case in cases),
        seconds=round(sum(float(case.get("time") or 0) for case in cases), 3),
        failures=[f"{case.get('classname', '')}.{case.get('name', '')}".strip(".") for case in failed],
    )
    log.info(f"{output.tests} tests, {output.failed} failed, {output.skipped} skipped")
    if output.failed > config.max_failures:
        names = "".join(f"\n{name}" for name in output.failures[:20])
        raise Failure.permanent("tests_failed", f"{output.failed} of {output.tests} tests failed{names}", output=output)
    return output
