"""The module that componentize-py makes a component of: the author's `plugin`, and what the world exports."""

import plugin  # noqa: F401 - it registers its step type
from shiro_step import _step, describe

# A mistake in the step type is shown by the build, not by the first run.
describe()


class Step(_step.Exports):
    """The exported interface."""
