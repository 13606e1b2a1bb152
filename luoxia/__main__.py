"""``python -m luoxia``."""

import sys

from luoxia.cli.main import main

sys.exit(main())
