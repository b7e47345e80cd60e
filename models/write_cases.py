#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write line-retrieval cases for `kvant eval --cases`, as many as one wants: the
same options give the same file.

    python3 write_cases.py --count 400 --lines 27 38 cases.json
"""
import argparse
import random

import retrieval_text as text


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("file")
    ap.add_argument("--count", type=int, default=400)
    ap.add_argument("--lines", type=int, nargs=2, default=(27, 38), metavar=("LEAST", "MOST"))
    ap.add_argument("--seed", type=int, default=2000003,
                    help="other than the training's, which is 1, and its cases', 1000004")
    args = ap.parse_args()
    if args.count < 1 or not 0 < args.lines[0] <= args.lines[1] <= len(text.LABELS):
        ap.error(f"at least 1 case of 1 to {len(text.LABELS)} lines, the least first")
    text.write_cases(args.file, random.Random(args.seed), args.count, args.lines)


if __name__ == "__main__":
    main()
