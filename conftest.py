"""For all tests, the notebooks' too: no run of the tests writes into the reader's own record."""

import os

os.environ["MMF_LEDGER"] = ""
