"""``python -m synth.hand.build out=DIR``."""

from synth.hand.build import main

raise SystemExit(main())
