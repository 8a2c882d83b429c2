"""``python -m distill.coverage data=DIR target=DIR checkpoint=FILE out=FILE.html``."""

from distill.coverage import main

raise SystemExit(main())
