"""Verifies one callback with the official library of Standard Webhooks.

Reads {"secret", "headers", "body"} as JSON from standard input; prints the payload that the
library gives back. Ends with exit code 1 if the library refuses the callback.
"""

import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

callback = json.load(sys.stdin)
try:
    payload = Webhook(callback["secret"]).verify(callback["body"], callback["headers"])
except WebhookVerificationError as error:
    sys.exit(f"refused: {error}")
json.dump(payload, sys.stdout)
