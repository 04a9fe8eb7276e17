"""Benchmarks: one file for each question, a runner, and plots. Run `python -m bench --help`.

Every number is measured side by side with its alternatives in the same run, and read as a ratio:
ratios travel between machines, nanoseconds do not.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What is measured is the installed package. `python -m bench` puts the checkout first on the path,
# where `connectors` may lack its compiled half, so the checkout goes last.
sys.path[:] = [p for p in sys.path if Path(p or os.getcwd()).resolve() != ROOT] + [str(ROOT)]
