"""``python -m gslt`` is the command ``gslt``."""

import sys

from gslt.cli import main

sys.exit(main())
