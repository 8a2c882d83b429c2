"""``python -m handbridge COMMAND KEY=VALUE ...``."""

from handbridge.cli import main

raise SystemExit(main())
