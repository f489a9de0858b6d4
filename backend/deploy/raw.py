"""What `zappa deploy`, `update` or `package` runs first when somebody types it here: it says which command is meant.

Zappa alone would zip the whole environment, TensorFlow too, for minutes. zappa_settings.json names it.
"""

import sys


def refuse() -> None:
    """End Zappa at once with the command that deploys."""
    sys.exit(
        "Run `make deploy STAGE=dev` instead: it gives Zappa a package made for Lambda, tells the cost and tries it."
    )
