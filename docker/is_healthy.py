"""Container health check: `python is_healthy.py PORT PATH` exits 0 if the path returns status 200.

The slim images have neither curl nor wget; `http.client` ignores proxy variables, which would redirect the request.
"""

import sys
from http.client import HTTPConnection, HTTPException


def main() -> str | None:
    """Send one request; return the problem, or None if healthy."""
    port, path = sys.argv[1:]
    connection = HTTPConnection("127.0.0.1", int(port), timeout=4)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return f"127.0.0.1:{port}{path}: {error}"
    finally:
        connection.close()
    return None if status == 200 else f"127.0.0.1:{port}{path}: answers {status}, must be 200"


if __name__ == "__main__":
    sys.exit(main())
