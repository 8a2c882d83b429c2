"""``python -m distill.demo checkpoint=FILE``."""

from distill.demo import main

raise SystemExit(main())
