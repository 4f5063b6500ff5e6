"""Starts the server of the small vision-language model."""

import argparse

from detailscribe.miniature.vlm.server import create_server


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m detailscribe.miniature.vlm",
        description="Serve the demo's vision-language model on this machine.",
    )
    parser.add_argument("--port", type=int, default=8000)
    with create_server(parser.parse_args().port) as server:
        print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
