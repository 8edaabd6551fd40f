"""Accepts connections and drops each as soon as the peer leaves; prints its port."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from frame import pin


def main() -> None:
    pin(1)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            peer, _ = listener.accept()
            peer.close()


if __name__ == "__main__":
    main()
