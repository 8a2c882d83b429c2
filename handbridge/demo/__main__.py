"""``python -m handbridge.demo checkpoint=FILE``."""

from handbridge.demo import main

raise SystemExit(main())
