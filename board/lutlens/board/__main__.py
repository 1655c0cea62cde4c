"""`python -m lutlens.board OVERLAY`: the service, on the board."""

from __future__ import annotations

import argparse
import logging
import sys

from lutlens.board.serve import serve
from lutlens.board.service.settings import TOKEN_VARIABLE, ServiceSettings


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0 stopped by hand, 1 the device or the overlay failed, 2 bad input."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.INFO)
    try:
        serve(
            options.overlay,
            settings=ServiceSettings.given(options.host, options.port, options.allow_host),
            source_texts=options.source,
            k=options.k,
            min_margin=options.min_margin,
            centre_box=options.centre_box,
        )
    except KeyboardInterrupt:
        return 0
    except (ValueError, OSError) as error:
        return _fail(str(error), 2)
    except RuntimeError as error:  # OverlayError, CoreError, SelfTestError; pynq's own
        return _fail(str(error), 1)
    return 0


def _fail(message: str, code: int) -> int:
    print(f"lutlens.board: {message}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lutlens.board",
        description="Load an overlay onto this board and serve the live page.",
        epilog=f"The environment variable {TOKEN_VARIABLE} sets the bearer token that changes ask "
        "for; without it, a service that others can reach makes one up and prints it.",
    )
    parser.add_argument("overlay", help="the overlay directory")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (%(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="(%(default)s)")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a further name by which browsers may call the service",
    )
    parser.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="KIND[:ARGUMENT]",
        help="camera:N, video:FILE, folder:DIRECTORY, synthetic, synthetic:FILE.npz or pattern; may be given "
        "several times, the first one is watched at the beginning",
    )
    parser.add_argument("--k", type=int, help="passes per image (the fewest that the overlay has)")
    parser.add_argument(
        "--min-margin", type=int, default=0, help="leave out detections below it (%(default)s)"
    )
    parser.add_argument(
        "--centre-box", action="store_true", help="look at the picture's middle as a whole, too"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
