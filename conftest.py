"""What every test needs before anything is imported: one thread, a progress store of its own."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

from hypothesis import settings

from tools.notebooks import KERNEL_ENVIRONMENT

os.environ.update(KERNEL_ENVIRONMENT)

# Each process of the tests, and the kernels that it starts, meets the course as a new learner.
_learner = tempfile.mkdtemp(prefix="softmax-course-tests-")
os.environ["SOFTMAX_COURSE_STATE"] = os.path.join(_learner, "state")
os.environ["IPYTHONDIR"] = os.path.join(_learner, "ipython")
atexit.register(shutil.rmtree, _learner, ignore_errors=True)

settings.register_profile("course", derandomize=True, deadline=None, database=None)
settings.load_profile("course")
